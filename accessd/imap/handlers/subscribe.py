"""SUBSCRIBE and UNSUBSCRIBE (RFC 3501 sections 6.3.6 and 6.3.7)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.command import Subscribe
from accessd.imap.response import Completion, Response
from mailcore.mailbox.account import set_subscribed

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def subscribe(session: ImapSession, command: Subscribe) -> AsyncGenerator[Response, None]:
    """The mailbox need not exist."""
    name = command.mailbox.rstrip("/") or command.mailbox
    await session.context.offload(set_subscribed, session.reader, name, command.subscribed)
    session.announce_accounts(session.reader)
    yield Completion()
