"""Columns of messages that few clients ask for: EMAILID (RFC 8474), SAVEDATE (RFC 8514), PREVIEW (RFC 8970).

They have a row type of their own, so that the rows everybody asks for stay as short as they are. NULL means what is
true of most messages: the content was first seen here; it was saved when it arrived; nobody has looked at its text yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, NamedTuple

import psycopg

from mailcore.errors import MessageGone
from mailcore.index import statements
from mailcore.index.index import message_rows
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.reading import read_messages
from mailcore.message.preview import preview
from mailcore.message.structure import parse_structure
from mailcore.store.base import MessageStore
from mailcore.store.wire_text import WireText

Connection = psycopg.Connection[Any]
# Messages from this size on are parsed where they lie.
_LARGE = 1 << 20


class RareRow(NamedTuple):
    """`email_id` is None for content that was first seen here."""

    uid: int
    email_id: int | None
    saved_at: datetime
    preview: str | None

    def origin(self, mailbox_id: int) -> int:
        """What EMAILID tells: the place where the content was first seen."""
        return mailbox_id << 32 | self.uid if self.email_id is None else self.email_id


def rare_rows(conn: Connection, mailbox_id: int, uids: Sequence[int]) -> dict[int, RareRow]:
    """By UID; missing UIDs are left out."""
    wanted = {"mailbox_id": mailbox_id, "uids": list(uids)}
    found = conn.execute(statements.RARE_ROWS, wanted, binary=True).fetchall()
    return {row[0]: RareRow._make(row) for row in found}


def fill_previews(conn: Connection, store: MessageStore, mailbox: MailboxRecord, uids: Sequence[int]) -> dict[int, str]:
    """Read messages and remember their previews. Those whose files are gone are left out."""
    previews = dict(_previews(conn, store, mailbox, uids))
    write_previews(conn, mailbox.id, previews)
    return previews


def write_previews(conn: Connection, mailbox_id: int, previews: dict[int, str]) -> None:
    """Remember previews, where that waits for nobody."""
    if previews:
        columns = {"mailbox_id": mailbox_id, "uids": list(previews), "previews": list(previews.values())}
        conn.execute(statements.FILL_PREVIEWS, columns)


def _previews(
    conn: Connection, store: MessageStore, mailbox: MailboxRecord, uids: Sequence[int]
) -> Iterator[tuple[int, str]]:
    rows = message_rows(conn, mailbox.id, uids) if uids else []
    for row, data in read_messages(store, mailbox.name, [row for row in rows if row.size < _LARGE]):
        yield row.uid, preview(data, parse_structure(data))
    for row in rows:
        if row.size >= _LARGE:
            with suppress(MessageGone), store.open(mailbox.name, row.store_key, row.as_flags()) as message:
                text = WireText(message)
                yield row.uid, preview(text, parse_structure(text))
