"""EXPUNGE and UID EXPUNGE (RFC 3501 section 6.4.3, RFC 4315 section 2.1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from accessd.imap.command import Expunge
from accessd.imap.response import Completion, Response
from mailcore.mailbox import mailbox as mailboxes
from mailcore.sharing.rights import EXPUNGE

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def expunge(session: ImapSession, command: Expunge) -> AsyncGenerator[Response, None]:
    """The session writes the EXPUNGE responses."""
    view = session.selected
    if view.read_only:
        yield Completion("NO", text="Mailbox is read-only")
        return
    view.require(EXPUNGE)
    uids: Sequence[int] | None = None
    if command.uids is not None:
        uids = list(view.select(command.uids, by_uid=True))
    gone = await session.context.offload(mailboxes.expunge, session.storage, view.owner, view.record, uids)
    if gone:
        # A message that arrived deleted and that this client has not been told of must not vanish before it came.
        if not all(view.has(uid) for uid in gone):
            session.look_now()
        view.take_expunged(gone)
        session.announce([view.record.id])
        if session.qresync:
            # HIGHESTMODSEQ of the tagged response is that of the removal (RFC 7162 section 3.2.7).
            session.look_now()
    yield Completion()
