"""What the client of an IMAP session must be told of the selected mailbox (RFC 3501 section 5.2).

A look asks the index what has changed since the last one, and what the reader may still do there; the view turns that
into EXISTS, EXPUNGE and FETCH. A mailbox that is gone, was rebuilt or may no longer be read ends the session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.errors import Disconnect
from accessd.imap.search_context import updates
from mailcore.errors import MailboxNotFound
from mailcore.identity import AccountRef
from mailcore.index.records import Changes, MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.sharing import places
from mailcore.sharing.rights import READ
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.selected import View
    from accessd.imap.session import ImapSession


async def news(session: ImapSession, *, expunge: bool, files: bool = False) -> list[bytes]:
    """Look at the selected mailbox (and, with `files`, at its folder), and say what the client must be told."""
    view = session.selected
    session.looked()
    changes = await _changes(session, view, files=files)
    told = await new_rights(session)
    known_name = view.record.name
    view.take(changes)
    if view.record.name != known_name:
        session.context.files.renamed(view.record)
    return told + await known_news(session, expunge=expunge)


async def known_news(session: ImapSession, *, expunge: bool) -> list[bytes]:
    """The same of what was seen at the last look and could not be said then."""
    notifier = session.notifier
    flags = notifier is None or notifier.interest.wants_flags
    told = session.selected.flush(expunge=expunge, with_modseq=session.condstore, vanished=session.qresync, flags=flags)
    return told + await updates(session)


async def new_rights(session: ImapSession) -> list[bytes]:
    """In a mailbox of somebody else: what one may do there now (RFC 4314)."""
    view = session.selected
    if view.owner.id == session.reader.id:
        return []
    rights = await session.context.offload(places.rights_now, session.reader, view.owner, view.record.id)
    if READ not in rights:
        raise Disconnect("The selected mailbox is no longer yours to read")
    return view.take_rights(rights)


async def _changes(session: ImapSession, view: View, *, files: bool) -> Changes:
    try:
        changes, adopted = await session.context.offload(
            _look, session.storage, view.owner, view.record, view.modseq, files=files
        )
    except MailboxNotFound:
        raise Disconnect("The selected mailbox was deleted") from None
    if changes.record is not None and changes.record.uidvalidity != view.record.uidvalidity:
        raise Disconnect("The selected mailbox was rebuilt")
    if adopted:
        # Who looks at the folder now finds nothing new there.
        session.announce([view.record.id])
    return changes


def _look(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    record: MailboxRecord,
    modseq: int,
    *,
    files: bool,
) -> tuple[Changes, bool]:
    """A unit of work: what has happened to a mailbox, and whether other programs' doing was found in its folder."""
    adopted = files and mailboxes.refresh(conn, storage, account, record)
    return mailboxes.changes_since(conn, record.id, modseq), adopted
