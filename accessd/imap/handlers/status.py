"""STATUS (RFC 3501 section 6.3.10, SIZE of RFC 8438, DELETED of RFC 9208, HIGHESTMODSEQ of RFC 7162)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.command import Status
from accessd.imap.response import Response
from accessd.imap.status_response import status_response
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxStatus
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import get_mailbox
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def status(session: ImapSession, command: Status) -> AsyncGenerator[Response, None]:
    """Looks at the folder too, so that what other programs put there counts."""
    if "HIGHESTMODSEQ" in command.items:
        session.condstore = True
    found = await session.context.offload(_status, session.storage, session.owner, command)
    yield status_response(command.mailbox, command.items, found)


def _status(conn: Connection, storage: Storage, account: AccountRef, command: Status) -> MailboxStatus:
    record = get_mailbox(conn, account, command.mailbox)
    mailboxes.glance(conn, storage, account, record)
    return mailboxes.status(conn, record.id, count_deleted="DELETED" in command.items)
