"""STATUS of many mailboxes at once, for LIST-STATUS (RFC 5819) and NOTIFY (RFC 5465): never a statement for each.

Nearly everything stands in the rows of the mailboxes, which the caller has read; one more statement counts the rest,
if it was asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import psycopg

from mailcore.index import statements
from mailcore.index.records import MailboxRecord, MailboxStatus

Connection = psycopg.Connection[Any]


def statuses_of(
    conn: Connection, records: Sequence[MailboxRecord], *, recent: bool = False, deleted: bool = False
) -> dict[int, MailboxStatus]:
    """By id of mailbox. `recent` and `deleted` cost a look at messages and are 0 unless asked for, and for a mailbox
    that was deleted in between.
    """
    counted = _count(conn, records, recent=recent, deleted=deleted) if recent or deleted else {}
    return {each.id: _status(each, *counted.get(each.id, (0, 0, 0))) for each in records}


def _count(
    conn: Connection, records: Sequence[MailboxRecord], *, recent: bool, deleted: bool
) -> Mapping[int, tuple[int, int, int]]:
    asked = {"mailbox_ids": [each.id for each in records], "recent": recent, "deleted": deleted}
    rows = conn.execute(statements.COUNT_RECENT_AND_DELETED, asked).fetchall()
    return {mailbox_id: (recents, gone, gone_size) for mailbox_id, recents, gone, gone_size in rows}


def _status(record: MailboxRecord, recent: int, deleted: int, deleted_size: int) -> MailboxStatus:
    return MailboxStatus(
        record.messages,
        recent,
        record.unseen,
        record.uidnext,
        record.uidvalidity,
        record.highestmodseq,
        record.size,
        deleted,
        record.id,
        deleted_size,
    )
