"""CLOSE and UNSELECT (RFC 3501 section 6.4.2, RFC 3691)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from accessd.imap.command import Close
from accessd.imap.response import Completion, Response
from accessd.imap.transitions import deselect
from mailcore.mailbox import mailbox as mailboxes
from mailcore.sharing.rights import EXPUNGE

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def close(session: ImapSession, command: Close) -> AsyncGenerator[Response, None]:
    """CLOSE expunges without a word, unless the mailbox is read-only or one has no right to (RFC 4314 section
    4); UNSELECT only leaves.
    """
    view = session.selected
    if command.expunge and not view.read_only and EXPUNGE in view.rights:
        gone = await session.context.offload(mailboxes.expunge, session.storage, view.owner, view.record)
        if gone:
            session.announce([view.record.id])
    deselect(session)
    yield Completion()
