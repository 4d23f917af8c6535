"""STARTTLS (RFC 3501 section 6.2.1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.command import StartTls
from accessd.imap.response import Completion, Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def starttls(session: ImapSession, command: StartTls) -> AsyncGenerator[Response, None]:
    """The session begins TLS after the tagged response, and forgets what was sent too early."""
    if not session.connection.may_start_tls:
        yield Completion("BAD", text="TLS is not possible now")
        return
    session.upgrade = _start_tls
    yield Completion(text="Begin TLS negotiation now")


async def _start_tls(session: ImapSession) -> None:
    session.engine.discard_input()
    await session.connection.start_tls()
