"""STATUS (RFC 3501 section 6.3.10, SIZE of RFC 8438, DELETED of RFC 9208, HIGHESTMODSEQ of RFC 7162)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.command import Status
from accessd.imap.enabled import CONDSTORE
from accessd.imap.response import Response
from accessd.imap.status_response import COUNT_DELETED, status_response
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxStatus
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import get_mailbox
from mailcore.sharing import places
from mailcore.sharing.rights import READ
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def status(session: ImapSession, command: Status) -> AsyncGenerator[Response, None]:
    """Looks at the folder too, so that what other programs put there counts."""
    if "HIGHESTMODSEQ" in command.items:
        session.enable(CONDSTORE)
    found, adopted = await session.context.offload(_status, session.storage, session.reader, command)
    if adopted:
        session.announce([adopted])
    yield status_response(command.mailbox, command.items, found, utf8=session.utf8, append_limit=session.append_limit)


def _status(conn: Connection, storage: Storage, reader: AccountRef, command: Status) -> tuple[MailboxStatus, int]:
    """And which mailbox has changed by this look at its folder, or 0."""
    place = places.resolve(conn, reader, command.mailbox).require(READ)
    record = get_mailbox(conn, place.owner, place.name)
    adopted = record.id if mailboxes.glance(conn, storage, place.owner, record) else 0
    return mailboxes.status(conn, record.id, count_deleted=not COUNT_DELETED.isdisjoint(command.items)), adopted
