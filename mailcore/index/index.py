"""Changes of the index: functions over a connection, inside the caller's database transaction.

`lock_mailboxes` first; `Ledger` then collects what is done to the locked mailboxes and writes each mailbox row and
usage row once at the end, so modseq rises once per transaction and counters change with the messages they count.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.types.numeric import Int8BinaryLoader

from mailcore.errors import MailboxInUse, MailboxNotFound
from mailcore.index import statements
from mailcore.index.records import CachedRow, FlagRow, MailboxRecord, MessageRow
from mailcore.message.flags import SEEN, Flags

Connection = psycopg.Connection[Any]


@dataclass(slots=True)
class Ledger:
    """What one database transaction does to one locked mailbox."""

    record: MailboxRecord
    uidnext: int = field(init=False)
    modseq: int = field(init=False)
    messages: int = 0
    unseen: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        self.uidnext = self.record.uidnext
        self.modseq = self.record.highestmodseq + 1

    def take_uid(self) -> int:
        """The next UID."""
        uid = self.uidnext
        self.uidnext += 1
        return uid

    def count_added(self, flags: int, size: int) -> None:
        """One message more."""
        self.messages += 1
        self.unseen += not flags & SEEN
        self.size += size

    def count_removed(self, flags: int, size: int) -> None:
        """One message less."""
        self.messages -= 1
        self.unseen -= not flags & SEEN
        self.size -= size


def lock_mailboxes(conn: Connection, mailbox_ids: Collection[int]) -> list[Ledger]:
    """Lock mailbox rows, in the order of their ids so that nobody waits in a circle; answers in the order asked.
    Raises MailboxNotFound if one is gone, MailboxInUse.
    """
    with _limited_wait():
        rows = conn.execute(statements.LOCK_WITH_LIMIT, {"mailbox_ids": list(mailbox_ids)}).fetchall()
    found = {row[0]: Ledger(MailboxRecord._make(row)) for row in rows}
    try:
        return [found[mailbox_id] for mailbox_id in mailbox_ids]
    except KeyError:
        raise MailboxNotFound("the mailbox was deleted") from None


def lock_mailbox_named(conn: Connection, account_id: int, name: str) -> Ledger:
    """Lock the mailbox of that name. Raises MailboxNotFound, MailboxInUse."""
    with _limited_wait():
        row = conn.execute(statements.LOCK_NAMED, {"account_id": account_id, "name": name}).fetchone()
    if row is None:
        raise MailboxNotFound(name)
    return Ledger(MailboxRecord._make(row))


def lock_for_flags(conn: Connection, mailbox_id: int, uids: Sequence[int]) -> tuple[Ledger, list[MessageRow]]:
    """Lock a mailbox and read messages of it, for a change of flags: COMMIT will not wait for the disk. Flags survive
    the death of any process, in the store if not in the index; the last ones may go with the power.
    """
    with _limited_wait():
        record = conn.execute(statements.LOCK_FOR_FLAGS, {"mailbox_id": mailbox_id}).fetchone()
    if record is None:
        raise MailboxNotFound("the mailbox was deleted")
    # Its own statement, so it sees what was committed before the lock was given.
    return Ledger(MailboxRecord._make(record)), message_rows(conn, mailbox_id, uids)


@contextmanager
def _limited_wait() -> Iterator[None]:
    try:
        yield
    except psycopg.errors.LockNotAvailable:
        raise MailboxInUse("the mailbox is being converted or rebuilt") from None


def write_ledgers(conn: Connection, ledgers: Collection[Ledger]) -> None:
    """Write what happened to mailboxes and to the usage of their accounts."""
    conn.execute(
        statements.RAISE_MAILBOXES,
        {
            "mailbox_ids": [ledger.record.id for ledger in ledgers],
            "uidnexts": [ledger.uidnext for ledger in ledgers],
            "modseqs": [ledger.modseq for ledger in ledgers],
            "messages": [ledger.messages for ledger in ledgers],
            "unseen": [ledger.unseen for ledger in ledgers],
            "sizes": [ledger.size for ledger in ledgers],
        },
    )
    usage: dict[int, list[int]] = {}
    for ledger in ledgers:
        change = usage.setdefault(ledger.record.account_id, [0, 0])
        change[0] += ledger.size
        change[1] += ledger.messages
    if any(map(any, usage.values())):
        conn.execute(
            statements.ADD_USAGE,
            {
                "account_ids": list(usage),
                "bytes": [change[0] for change in usage.values()],
                "messages": [change[1] for change in usage.values()],
            },
        )


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message that has its place in the store and gets its row now."""

    store_key: str
    size: int
    internal_date: datetime
    flags: Flags
    saved_at: datetime | None = None
    """When it is not the internal date; mailcore.index.short only."""


def insert_messages(conn: Connection, messages: Sequence[tuple[Ledger, NewMessage]]) -> list[int]:
    """Add rows, for several mailboxes at once if need be. Returns the UIDs."""
    numbered = [(ledger, ledger.take_uid(), message) for ledger, message in messages]
    insert_numbered(conn, numbered)
    return [uid for _, uid, _ in numbered]


def insert_numbered(conn: Connection, messages: Sequence[tuple[Ledger, int, NewMessage]]) -> None:
    """Add rows under UIDs that were taken before."""
    if not messages:
        return
    for ledger, _, message in messages:
        ledger.count_added(message.flags.bits, message.size)
    conn.execute(
        statements.INSERT_MESSAGES,
        {
            "mailbox_ids": [ledger.record.id for ledger, _, _ in messages],
            "uids": [uid for _, uid, _ in messages],
            "modseqs": [ledger.modseq for ledger, _, _ in messages],
            "store_keys": [message.store_key for _, _, message in messages],
            "sizes": [message.size for _, _, message in messages],
            "internal_dates": [message.internal_date for _, _, message in messages],
            "flags": [message.flags.bits for _, _, message in messages],
            "keywords": [" ".join(sorted(message.flags.keywords)) for _, _, message in messages],
        },
    )


def insert_copies(
    conn: Connection,
    source_id: int,
    target: Ledger,
    copies: Sequence[tuple[MessageRow, str, int]],
    *,
    kept_bits: int = 31,
    keeps_keywords: bool = True,
) -> list[int]:
    """Add copies (source row, new store key, size) with all that is known of the sources, and of their flags those that
    are to be kept. Returns the UIDs.
    """
    uids = [target.take_uid() for _ in copies]
    for row, _, size in copies:
        target.count_added(row.flags & kept_bits, size)
    conn.execute(
        statements.INSERT_COPIES,
        {
            "kept_bits": kept_bits,
            "keeps_keywords": keeps_keywords,
            "source_id": source_id,
            "target_id": target.record.id,
            "modseq": target.modseq,
            "sources": [row.uid for row, _, _ in copies],
            "uids": uids,
            "store_keys": [key for _, key, _ in copies],
            "sizes": [size for _, _, size in copies],
        },
    )
    return uids


def update_flags(conn: Connection, ledger: Ledger, changes: Iterable[tuple[MessageRow, Flags]]) -> None:
    """Give messages other flags."""
    if changes := list(changes):
        columns = _flag_columns(ledger, changes)
        ledger.unseen += columns["unseen"]
        conn.execute(statements.SET_FLAGS, columns)


def update_only_flags(conn: Connection, ledger: Ledger, changes: Sequence[tuple[MessageRow, Flags]]) -> None:
    """The same as all that is done to the mailbox: writes the ledger."""
    conn.execute(statements.SET_FLAGS_AND_RAISE, _flag_columns(ledger, changes))


def _flag_columns(ledger: Ledger, changes: Sequence[tuple[MessageRow, Flags]]) -> dict[str, Any]:
    return {
        "mailbox_id": ledger.record.id,
        "modseq": ledger.modseq,
        "unseen": sum(bool(row.flags & SEEN) - bool(after.bits & SEEN) for row, after in changes),
        "uids": [row.uid for row, _ in changes],
        "flags": [after.bits for _, after in changes],
        "keywords": [" ".join(sorted(after.keywords)) if after.keywords else "" for _, after in changes],
    }


def expunge_rows(conn: Connection, ledger: Ledger, rows: Sequence[MessageRow]) -> None:
    """Remove messages and remember that they are gone."""
    if not rows:
        return
    for row in rows:
        ledger.count_removed(row.flags, row.size)
    uids = [row.uid for row in rows]
    conn.execute(statements.EXPUNGE, {"mailbox_id": ledger.record.id, "uids": uids, "modseq": ledger.modseq})


def modseqs_of(conn: Connection, mailbox_ids: Sequence[int]) -> dict[int, int]:
    """The highest modseq of each mailbox that exists: whether anything has happened to it."""
    return dict(conn.execute(statements.MODSEQS, {"mailbox_ids": list(mailbox_ids)}).fetchall())


def mailboxes_of(conn: Connection, mailbox_ids: Sequence[int]) -> list[MailboxRecord]:
    """The rows of those that exist."""
    rows = conn.execute(statements.MAILBOXES_BY_ID, {"mailbox_ids": list(mailbox_ids)}).fetchall()
    return list(map(MailboxRecord._make, rows))


def uids_below(conn: Connection, mailbox_id: int, uidnext: int) -> list[int]:
    """The UIDs below `uidnext`, in order."""
    below = {"mailbox_id": mailbox_id, "uidnext": uidnext}
    row = conn.execute(statements.UIDS_BELOW, below, binary=True).fetchone()
    uids = array("q", row[0] if row else b"")
    if sys.byteorder == "little":
        uids.byteswap()
    return uids.tolist()


def message_rows(conn: Connection, mailbox_id: int, uids: Sequence[int] | None = None) -> list[MessageRow]:
    """Rows in UID order; None means all."""
    if uids is None:
        found = conn.execute(statements.MESSAGE_ROWS, {"mailbox_id": mailbox_id}, binary=True).fetchall()
    else:
        found = _rows_of(conn, statements.MESSAGE_ROWS_BETWEEN, statements.MESSAGE_ROWS_OF, mailbox_id, uids)
    return list(map(MessageRow._make, found))


def cached_rows(conn: Connection, mailbox_id: int, uids: Sequence[int] | None = None) -> list[CachedRow]:
    """Rows with ENVELOPE and BODYSTRUCTURE in UID order, as far as they are known; None means all."""
    with conn.cursor(binary=True) as cursor:
        # The number that comes over the wire: a datetime costs its making and, where it is written, its taking apart.
        cursor.adapters.register_loader("timestamptz", Int8BinaryLoader)
        if uids is None:
            found = cursor.execute(statements.CACHED_ROWS, {"mailbox_id": mailbox_id}).fetchall()
        else:
            found = _rows_of(cursor, statements.CACHED_ROWS_BETWEEN, statements.CACHED_ROWS_OF, mailbox_id, uids)
    return list(map(CachedRow._make, found))


def _rows_of(
    on: Connection | psycopg.Cursor[Any], between: str, listed: str, mailbox_id: int, uids: Sequence[int]
) -> list[tuple[Any, ...]]:
    """Most of what lies between two UIDs is read by these two: a list is planned anew each time and looked through for
    every row.
    """
    first, last = (min(uids), max(uids)) if uids else (1, 0)
    if last - first >= 2 * len(uids):
        return on.execute(listed, {"mailbox_id": mailbox_id, "uids": list(uids)}, binary=True).fetchall()
    span = {"mailbox_id": mailbox_id, "first_uid": first, "last_uid": last}
    found = on.execute(between, span, binary=True).fetchall()
    if last - first + 1 == len(uids):
        return found
    wanted = set(uids)
    return [row for row in found if row[0] in wanted]


def deleted_rows(conn: Connection, mailbox_id: int) -> list[MessageRow]:
    """All messages with \\Deleted."""
    found = conn.execute(statements.DELETED_ROWS, {"mailbox_id": mailbox_id}, binary=True)
    return list(map(MessageRow._make, found.fetchall()))


def flag_rows(conn: Connection, mailbox_id: int, uids: Sequence[int] | None = None) -> list[FlagRow]:
    """The cheap columns in UID order; None means all."""
    if uids is None:
        found = conn.execute(statements.FLAG_ROWS, {"mailbox_id": mailbox_id}, binary=True).fetchall()
    else:
        found = _rows_of(conn, statements.FLAG_ROWS_BETWEEN, statements.FLAG_ROWS_OF, mailbox_id, uids)
    return list(map(FlagRow._make, found))


def flag_rows_between(conn: Connection, mailbox_id: int, first_uid: int, last_uid: int) -> list[FlagRow]:
    """The cheap columns of messages with these UIDs and those between, in UID order."""
    span = {"mailbox_id": mailbox_id, "first_uid": first_uid, "last_uid": last_uid}
    found = conn.execute(statements.FLAG_ROWS_BETWEEN, span, binary=True)
    return list(map(FlagRow._make, found.fetchall()))
