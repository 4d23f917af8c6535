"""What SORT and THREAD compare messages by, read from the index in blocks, in the order of UIDs.

Columns are arrays and lists, an entry per message, not an object per message: a mailbox may have some hundred thousand.
Dates are seconds since 1970. The sent date is that of the Date field, midnight (UTC) of it if there is no time in it
that can be read, and INTERNALDATE if there is no date either (RFC 5256 section 2.2). What the index does not know of a
message yet is read from it and remembered.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from functools import lru_cache
from typing import Any, NamedTuple

import psycopg

from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import cache, search_text, statements
from mailcore.mailbox.progress import Progress
from mailcore.message.charset import decode
from mailcore.message.date import parse_date
from mailcore.message.encoded_word import decode_header
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]
_BLOCK = 5_000
# RFC 5322 section 3.3 knows no year before 1900; senders of 2002 wrote 0102.
_FIRST_DATE = int(datetime(1900, 1, 1, tzinfo=UTC).timestamp())
_SUBJECT, _FIRST_LIST = 1, 2


# An ENVELOPE without literals, which nearly all are, up to the first address of one of its lists.
_NSTRING = rb'(?:NIL|"[^"\\]*(?:\\.[^"\\]*)*")'
_LIST = rb"(?:NIL|\((?:\(" + rb" ".join([_NSTRING] * 4) + rb"\))+\))"
_ADDRESS = rb" ".join([rb"(" + _NSTRING + rb")"] * 4)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)


@lru_cache(maxsize=8)
def _first_address_at(position: int) -> re.Pattern[bytes]:
    lists = (_LIST + rb" ") * (position - _FIRST_LIST)
    return re.compile(rb"\(" + (_NSTRING + rb" ") * 2 + lists + rb"(?:NIL|\(\(" + _ADDRESS + rb"\))", re.DOTALL)


def _value(written: bytes) -> bytes | None:
    """An nstring that is no literal."""
    return None if written == b"NIL" else _ESCAPED.sub(rb"\1", written[1:-1])


class SortRow(NamedTuple):
    """One message. `envelope` is there if it was asked for, or needed for the date; `subject` if it was asked for."""

    uid: int
    size: int
    arrival: int
    sent: int | None
    subject: str | None
    envelope: bytes | None
    is_cached: bool

    @property
    def date(self) -> int:
        """The sent date."""
        found = self.sent
        if found is None and self.envelope is not None:
            found = _date_in(self.envelope)
        return self.arrival if found is None or found < _FIRST_DATE else found

    def mailbox(self, position: int) -> str:
        """addr-mailbox of the first address of a field."""
        address = self._first_address(position)
        return decode(address[2]) if address and isinstance(address[2], bytes) else ""

    def display(self, position: int) -> str:
        """What a client shows of the first address: its name, else itself (RFC 5957 section 3)."""
        address = self._first_address(position)
        if not address:
            return ""
        # Encoded words are for names only (RFC 2047 section 5).
        name = decode_header(address[0]).strip() if isinstance(address[0], bytes) else ""
        local, domain = (decode(each) if isinstance(each, bytes) else "" for each in address[2:])
        return name or (f"{local}@{domain}" if domain else local)

    def _first_address(self, position: int) -> list[search_text.Value]:
        if self.envelope is None:
            return []
        if (usual := _first_address_at(position).match(self.envelope)) is not None:
            return [_value(each) for each in usual.groups() if each is not None]
        addresses = search_text.read_envelope(self.envelope, position + 1)[position]
        first = addresses[0] if isinstance(addresses, list) and addresses else None
        return first if isinstance(first, list) and len(first) == 4 else []


def _date_in(envelope: bytes) -> int | None:
    value = search_text.read_envelope(envelope, 1)[0]
    moment = parse_date(value) if isinstance(value, bytes) else None
    if moment is None and (day := search_text.sent_day(envelope)) is not None:
        moment = datetime.combine(day, time(), UTC)
    return None if moment is None else int(moment.timestamp())


class SortRows:
    """The rows of some messages of a mailbox."""

    def __init__(
        self,
        conn: Connection,
        storage: Storage,
        account: AccountRef,
        mailbox: MailboxRecord,
        progress: Progress | None = None,
    ) -> None:
        self._progress = progress or Progress()
        self._conn = conn
        self._store = storage.store(account)
        self._mailbox = mailbox

    def read(self, uids: Sequence[int], *, subject: bool = False, envelope: bool = False) -> Iterator[SortRow]:
        """One row for each of `uids`, which are in order, with what is asked for."""
        self._progress.expect(len(uids))
        for start in range(0, len(uids), _BLOCK):
            some = uids[start : start + _BLOCK]
            yield from self._block(some, subject=subject, envelope=envelope)
            self._progress.add(len(some))

    def read_cheap(self, uids: Sequence[int]) -> Iterator[SortRow]:
        """The same for who needs only size and INTERNALDATE: no message is opened for that."""
        for start in range(0, len(uids), _BLOCK):
            yield from _complete(uids[start : start + _BLOCK], self._rows(uids[start : start + _BLOCK]))

    def _block(self, uids: Sequence[int], *, subject: bool, envelope: bool) -> Iterator[SortRow]:
        rows = list(_complete(uids, self._rows(uids, subject=subject, envelope=envelope)))
        missing = [row.uid for row in rows if not row.is_cached]
        if not missing:
            return iter(rows)
        read = cache.fill(self._conn, self._store, self._mailbox.id, missing)
        return (_with_envelope(row, read[row.uid][0]) if row.uid in read else row for row in rows)

    def _rows(self, uids: Sequence[int], *, subject: bool = False, envelope: bool = False) -> Iterator[SortRow]:
        wanted = {"mailbox_id": self._mailbox.id, "with_subject": subject, "with_envelope": envelope}
        return map(SortRow._make, rows_of(self._conn, statements.SORT_ROWS, statements.SORT_ROWS_OF, uids, wanted))


def rows_of(
    conn: Connection, between: str, listed: str, uids: Sequence[int], wanted: dict[str, Any]
) -> list[tuple[Any, ...]]:
    """Rows that begin with the UID, of messages most of which lie between the first and the last, or of listed ones."""
    if uids[-1] - uids[0] >= 2 * len(uids):
        return conn.execute(listed, {**wanted, "uids": list(uids)}, binary=True).fetchall()
    found = conn.execute(between, {**wanted, "first_uid": uids[0], "last_uid": uids[-1]}, binary=True).fetchall()
    if uids[-1] - uids[0] + 1 == len(uids):
        return found
    among = set(uids)
    return [row for row in found if row[0] in among]


def _complete(uids: Sequence[int], rows: Iterator[SortRow]) -> Iterator[SortRow]:
    """A row for each of `uids`: a message that was expunged a moment ago is still in the numbers of the client."""
    row = next(rows, None)
    for uid in uids:
        if row is not None and row.uid == uid:
            yield row
            row = next(rows, None)
        else:
            yield SortRow(uid, 0, 0, 0, "", None, is_cached=True)


def _with_envelope(row: SortRow, envelope: bytes) -> SortRow:
    """A row as it would be if the index had known the message."""
    subject = search_text.read_envelope(envelope, _SUBJECT + 1)[_SUBJECT]
    text = decode_header(subject) if isinstance(subject, bytes) else ""
    return row._replace(subject=text, envelope=envelope)


def numbers(values: Iterator[int]) -> array[int]:
    """A column of numbers."""
    return array("q", values)
