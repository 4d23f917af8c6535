"""UNAUTHENTICATE (RFC 8437): a connection is used for another account, without another TLS handshake."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.command import Unauthenticate
from accessd.imap.response import Completion, Response

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def unauthenticate(session: ImapSession, command: Unauthenticate) -> AsyncGenerator[Response, None]:
    """A selected mailbox is left as by UNSELECT; the answer says what may be done now."""
    session.log_out()
    yield Completion(code=session.capabilities(), text="Logged out, log in again")
