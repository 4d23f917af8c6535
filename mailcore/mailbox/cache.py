"""The cache columns of message rows: filled when somebody first asks, from the message itself.

Messages are read in blocks; a block is written back in one statement and never waits for another session that does
the same. What could not be written back is still answered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import psycopg

from mailcore.errors import MessageGone
from mailcore.index import index, statements
from mailcore.index.index import message_rows
from mailcore.index.records import CachedRow
from mailcore.mailbox.reading import read_messages
from mailcore.message.structure import parse_structure
from mailcore.message.summary import Summary, summarise, summarise_structure
from mailcore.store.base import MessageStore
from mailcore.store.wire_text import WireText

Connection = psycopg.Connection[Any]
_BLOCK = 200
# Messages from this size on are parsed where they lie.
_LARGE = 1 << 20


def cached_rows(conn: Connection, store: MessageStore, mailbox_id: int, uids: Sequence[int] | None) -> list[CachedRow]:
    """See mailcore.mailbox.mailbox.cached_rows."""
    rows = index.cached_rows(conn, mailbox_id, uids)
    missing = [row.uid for row in rows if row.envelope is None or row.body_structure is None]
    if not missing:
        return rows
    read = fill(conn, store, mailbox_id, missing)
    complete = ((*row[:6], *read[row[0]]) if row[0] in read else row for row in rows)
    return [CachedRow._make(row) for row in complete if row[6] is not None]


def fill(conn: Connection, store: MessageStore, mailbox_id: int, uids: Sequence[int]) -> dict[int, tuple[bytes, bytes]]:
    """Read, parse and remember messages. Returns ENVELOPE and BODYSTRUCTURE of those that are there."""
    result: dict[int, tuple[bytes, bytes]] = {}
    for start in range(0, len(uids), _BLOCK):
        block = uids[start : start + _BLOCK]
        summaries = dict(_summaries(conn, store, mailbox_id, block))
        write_back(conn, mailbox_id, summaries)
        result.update({uid: (each.envelope, each.body_structure) for uid, each in summaries.items()})
    return result


def _summaries(
    conn: Connection, store: MessageStore, mailbox_id: int, uids: Sequence[int]
) -> Iterator[tuple[int, Summary]]:
    mailbox = conn.execute(statements.MAILBOX_BY_ID, {"mailbox_id": mailbox_id}).fetchone()
    if mailbox is None:
        return
    rows = message_rows(conn, mailbox_id, uids)
    for row, data in read_messages(store, mailbox[2], [row for row in rows if row.size < _LARGE]):
        yield row.uid, summarise(data)
    for row in rows:
        if row.size >= _LARGE:
            with suppress(MessageGone), store.open(mailbox[2], row.store_key, row.as_flags()) as message:
                yield row.uid, summarise_structure(parse_structure(WireText(message)))


def write_back(conn: Connection, mailbox_id: int, summaries: dict[int, Summary]) -> None:
    """Remember what was read of messages."""
    if not summaries:
        return
    columns = list(Summary.__dataclass_fields__)
    values = {column: [getattr(summary, column) for summary in summaries.values()] for column in columns}
    conn.execute(statements.FILL_CACHE, {"mailbox_id": mailbox_id, "uids": list(summaries), **values})
