"""UNAUTHENTICATE (RFC 8437): a connection is used for another account, without another TLS handshake."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.capabilities import capabilities_of
from accessd.imap.command import Unauthenticate
from accessd.imap.response import Completion, Response
from accessd.imap.transitions import log_out

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def unauthenticate(session: ImapSession, command: Unauthenticate) -> AsyncGenerator[Response, None]:
    """A selected mailbox is left as by UNSELECT; the answer says what may be done now."""
    log_out(session)
    yield Completion(code=capabilities_of(session), text="Logged out, log in again")
