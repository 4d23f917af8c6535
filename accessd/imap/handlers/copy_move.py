"""COPY and MOVE (RFC 3501 section 6.4.7, RFC 6851), with COPYUID (RFC 4315 section 3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.command import Copy
from accessd.imap.errors import TRY_CREATE
from accessd.imap.in_progress import telling_progress
from accessd.imap.response import Completion, Response
from accessd.imap.selected import View
from mailcore.errors import MailboxNotFound
from mailcore.identity import AccountRef
from mailcore.index.records import CopiedUids
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import get_mailbox
from mailcore.mailbox.transfer import hand_over
from mailcore.sharing import places
from mailcore.sharing.rights import DELETE_MESSAGE, EXPUNGE, INSERT
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def copy_or_move(session: ImapSession, command: Copy) -> AsyncGenerator[Response, None]:
    """MOVE tells the new UIDs before the EXPUNGEs, which the session writes."""
    view = session.selected
    if command.move:
        if view.read_only:
            yield Completion("NO", text="Mailbox is read-only")
            return
        view.require(DELETE_MESSAGE, EXPUNGE)
    uids = list(view.select(command.sequence_set, by_uid=command.by_uid))
    if not uids:
        yield Completion(text="Nothing to do")
        return
    try:
        with telling_progress(session):
            target_id, copied = await session.context.offload(
                _transfer, session.storage, session.reader, view, uids, command.mailbox, move=command.move
            )
    except MailboxNotFound:
        yield TRY_CREATE
        return
    _spread(session, target_id, copied, moved=command.move)
    if not copied.source:
        yield Completion("NO", b"EXPUNGEISSUED", "The messages no longer exist")
        return
    code = b"COPYUID " + response.uid_sets(copied.uidvalidity, copied.source, copied.target)
    if command.move:
        yield response.ok("Moved", code)
        code = b""
        if session.qresync:
            # As EXPUNGE.
            session.look_now()
    yield Completion(code=code)


def _transfer(
    conn: Connection,
    storage: Storage,
    reader: AccountRef,
    view: View,
    uids: Sequence[int],
    target_name: str,
    *,
    move: bool,
) -> tuple[int, CopiedUids]:
    place = places.resolve(conn, reader, target_name).require(INSERT)
    target = get_mailbox(conn, place.owner, place.name)
    if place.owner.id != view.owner.id or place.owner.id != reader.id:
        return target.id, hand_over(conn, storage, view.owner, view.record, uids, place, move=move)
    transfer = mailboxes.move if move else mailboxes.copy
    return target.id, transfer(conn, storage, view.owner, view.record, uids, place.name)


def _spread(session: ImapSession, target_id: int, copied: CopiedUids, *, moved: bool) -> None:
    view = session.selected
    changed = {target_id}
    if moved:
        view.take_expunged(copied.source)
        changed.add(view.record.id)
    session.announce(changed)
    if target_id == view.record.id:
        session.look_now()
