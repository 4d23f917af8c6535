"""thread_refs of messages: out of the index, or where it does not know them of their headers, and then remembered."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import psycopg

from mailcore.index import statements as index_statements
from mailcore.index.index import message_rows
from mailcore.mailbox import statements
from mailcore.mailbox.reading import read_messages
from mailcore.mailbox.sort_rows import rows_of
from mailcore.message.headers import headers_of
from mailcore.message.message_id import NONE, thread_refs
from mailcore.store.base import MessageStore

Connection = psycopg.Connection[Any]
_BLOCK = 5_000
_MAX_HEADER = 1 << 17


def read_refs(conn: Connection, store: MessageStore, mailbox_id: int, uids: Sequence[int]) -> Iterator[bytes]:
    """See mailcore.message.message_id.thread_refs; of each of `uids`, in their order."""
    for start in range(0, len(uids), _BLOCK):
        some = uids[start : start + _BLOCK]
        rows = rows_of(conn, statements.THREAD_REFS, statements.THREAD_REFS_OF, some, {"mailbox_id": mailbox_id})
        known: dict[int, bytes] = {uid: refs for uid, refs in rows if refs is not None}
        if unknown := [uid for uid, refs in rows if refs is None]:
            known.update(_fill(conn, store, mailbox_id, unknown))
        for uid in some:
            yield known.get(uid, NONE)


def _fill(conn: Connection, store: MessageStore, mailbox_id: int, uids: Sequence[int]) -> dict[int, bytes]:
    mailbox = conn.execute(index_statements.MAILBOX_BY_ID, {"mailbox_id": mailbox_id}).fetchone()
    if mailbox is None:
        return {}
    rows = message_rows(conn, mailbox_id, uids)
    found = {
        row.uid: thread_refs(headers_of(data))
        for row, data in read_messages(store, mailbox[2], rows, at_most=_MAX_HEADER)
    }
    columns = {"mailbox_id": mailbox_id, "uids": list(found), "thread_refs": list(found.values())}
    conn.execute(statements.FILL_THREAD_REFS, columns)
    return found
