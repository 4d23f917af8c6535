"""CAPABILITY, NOOP, CHECK, LOGOUT, ID."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.capabilities import capabilities_of
from accessd.imap.client_id import in_words
from accessd.imap.command import Capability, Check, Identify, Logout, Noop
from accessd.imap.response import Response
from accessd.imap.states import State
from accessd.imap.transitions import deselect

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def capability(session: ImapSession, command: Capability) -> AsyncGenerator[Response, None]:
    """CAPABILITY (RFC 3501 section 6.1.1)."""
    yield response.untagged(capabilities_of(session))


async def noop(session: ImapSession, command: Noop | Check) -> AsyncGenerator[Response, None]:
    """NOOP and CHECK (RFC 3501 sections 6.1.2 and 6.4.1): the session tells the news of a selected mailbox."""
    return
    yield b""  # this makes it a generator of nothing


async def logout(session: ImapSession, command: Logout) -> AsyncGenerator[Response, None]:
    """LOGOUT (RFC 3501 section 6.1.3)."""
    deselect(session)
    session.enter(State.LOGOUT)
    yield response.bye("Logging out")


async def identify(session: ImapSession, command: Identify) -> AsyncGenerator[Response, None]:
    """ID (RFC 2971): says what it is, not which version; what the client says of itself the panel shows."""
    session.connection.client_id = in_words(command.fields)
    yield response.untagged(b'ID ("name" "Mailkeep")')
