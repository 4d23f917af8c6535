"""Reading and changing annotations (RFC 5464 sections 4.2 and 4.3). Who may is the caller's question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg

from mailcore.errors import MetadataTooBig, MetadataTooMany
from mailcore.identity import AccountRef
from mailcore.metadata import statements
from mailcore.metadata.entries import Entry

Connection = psycopg.Connection[Any]
LARGEST_VALUE = 64 * 1024
MOST_ENTRIES = 100
"""Of one reader and of /shared, in each mailbox and for the server."""
MOST_OF_ACCOUNT = 10_000
MOST_OCTETS_OF_ACCOUNT = 1024 * 1024
"""Of all annotations that count for an account: its own, and those in its mailboxes that all share."""


@dataclass(frozen=True, slots=True)
class Found:
    """An annotation; `value` is None when it is larger than was asked for."""

    asked: Entry
    entry: Entry
    size: int
    value: bytes | None


def read(
    conn: Connection,
    reader: AccountRef,
    mailbox_id: int | None,
    asked: Sequence[Entry],
    *,
    depth: int = 0,
    most: int = LARGEST_VALUE,
) -> list[Found]:
    """The annotations of a mailbox, or of the server (None), that are `asked` for or not more than `depth` levels below
    those (0, 1, INFINITY); each once.
    """
    rows = conn.execute(
        statements.OF_SERVER if mailbox_id is None else statements.OF_MAILBOX,
        {
            "mailbox_id": mailbox_id,
            "reader": reader.id,
            "entries": [entry.name for entry in asked],
            "privates": [entry.private for entry in asked],
            "depths": [depth] * len(asked),
            "most": most,
        },
    ).fetchall()
    found: dict[Entry, Found] = {}
    for rank, name, size, value in rows:
        which = asked[rank - 1]
        entry = Entry(which.private, name)
        found.setdefault(entry, Found(which, entry, size, value))
    return list(found.values())


def write(conn: Connection, reader: AccountRef, mailbox_id: int | None, values: Mapping[Entry, bytes | None]) -> None:
    """Set annotations, or remove them (None): all or nothing. Raises MetadataTooBig, MetadataTooMany."""
    for entry, value in values.items():
        if value is not None and len(value) > LARGEST_VALUE:
            raise MetadataTooBig(f"{entry}: {len(value)} octets")
    setting, removing, counting, locking = _STATEMENTS[mailbox_id is None]
    with conn.transaction():
        conn.execute(locking, {"mailbox_id": mailbox_id, "reader": reader.id})
        for entry, value in values.items():
            row = {"mailbox_id": mailbox_id, "reader": reader.id if entry.private else None, "entry": entry.name}
            if value is None:
                conn.execute(removing, row)
            else:
                conn.execute(setting, {**row, "value": value})
        for private in {entry.private for entry, value in values.items() if value is not None}:
            whose = {"mailbox_id": mailbox_id, "reader": reader.id if private else None}
            counted = conn.execute(counting, whose).fetchone()
            if counted and counted[0] > MOST_ENTRIES:
                raise MetadataTooMany(f"{counted[0]} annotations")
            _require_room(conn, whose)


def _require_room(conn: Connection, whose: Mapping[str, int | None]) -> None:
    """Commands that come at once are not seen by each other: a few may be let in beyond the limit."""
    used = conn.execute(statements.USE_OF_ACCOUNT, whose).fetchone()
    if used and (used[0] > MOST_OF_ACCOUNT or used[1] > MOST_OCTETS_OF_ACCOUNT):
        raise MetadataTooMany(f"{used[0]} annotations of the account, {used[1]} octets")


_STATEMENTS = {
    True: (
        statements.SET_OF_SERVER,
        statements.REMOVE_OF_SERVER,
        statements.COUNT_OF_SERVER,
        statements.LOCK_READER,
    ),
    False: (
        statements.SET_OF_MAILBOX,
        statements.REMOVE_OF_MAILBOX,
        statements.COUNT_OF_MAILBOX,
        statements.LOCK_MAILBOX,
    ),
}


def set_special_use(conn: Connection, mailbox_id: int, use: str) -> None:
    """The special use of a mailbox, "" for none."""
    conn.execute(statements.SET_SPECIAL_USE, {"mailbox_id": mailbox_id, "use": use})
