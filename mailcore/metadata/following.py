"""Which annotations there are, for who wants to hear of changes (RFC 5465 sections 5.6 and 5.7): names and digests of
what a reader may see, of many mailboxes at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import psycopg

from mailcore.identity import AccountRef
from mailcore.metadata import statements
from mailcore.metadata.entries import Entry

Connection = psycopg.Connection[Any]

SERVER = 0
"""Stands for the server among ids of mailboxes."""


class Note(NamedTuple):
    """One annotation of a mailbox, or of the SERVER; of its value only what tells it from another."""

    mailbox_id: int
    entry: Entry
    digest: str


def notes_of(conn: Connection, reader: AccountRef, mailbox_ids: Sequence[int]) -> frozenset[Note]:
    """Those of the mailboxes and of the server that are shared, or the reader's own."""
    asked = {"mailbox_ids": list(mailbox_ids), "reader": reader.id}
    rows = conn.execute(statements.DIGESTS, asked).fetchall()
    return frozenset(Note(mailbox_id, Entry(private, name), digest) for mailbox_id, private, name, digest in rows)
