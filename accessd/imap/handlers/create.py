"""CREATE (RFC 3501 section 6.3.3), with a special use (RFC 6154 section 3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.command import Create
from accessd.imap.response import Completion, Response
from mailcore.mailbox.account import create_mailbox

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def create(session: ImapSession, command: Create) -> AsyncGenerator[Response, None]:
    """CREATE."""
    if len(command.special_use) > 1:
        yield Completion("NO", b"USEATTR", "One special use at most")
        return
    use = command.special_use[0] if command.special_use else ""
    await session.context.offload(create_mailbox, session.storage, session.owner, command.mailbox, use)
    yield Completion()
