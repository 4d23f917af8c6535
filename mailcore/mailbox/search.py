"""SEARCH over a key tree: rows first, what is indexed or cached next, message files only where nothing else can tell.

Each key gets the messages that are still in question and answers which of them match. Among the keys of an And the
cheap ones go first, so a file is only opened for messages that everything else has left over.
"""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from datetime import UTC, date
from functools import cached_property
from typing import Any

import psycopg

from mailcore.identity import AccountRef
from mailcore.index import statements as index_statements
from mailcore.index.index import flag_rows, flag_rows_between, message_rows
from mailcore.index.records import FlagRow, MailboxRecord
from mailcore.mailbox import cache, search_text, statements
from mailcore.mailbox.candidates import candidates, fields_of
from mailcore.mailbox.fuzzy import FuzzyScores
from mailcore.mailbox.progress import Progress
from mailcore.mailbox.rare import rare_rows
from mailcore.mailbox.reading import read_messages
from mailcore.mailbox.search_index import TextField, TextIndex
from mailcore.mailbox.search_keys import (
    Age,
    All,
    And,
    Body,
    Comparison,
    DateField,
    DateKey,
    EmailId,
    FlagKey,
    Fuzzy,
    Header,
    Keyword,
    ModSeq,
    Not,
    Or,
    Recent,
    Saved,
    SearchKey,
    SeqSet,
    Size,
    Text,
    UidSet,
)
from mailcore.message.headers import headers_of
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]
Ranges = Sequence[tuple[int | None, int | None]]

# What a key costs per message: nothing, a row, a cached ENVELOPE, the begin of a file, a whole file.
_NOTHING, _ROW, _CACHED, _HEADER, _WHOLE = range(5)
_BLOCK = 500
# Of fewer than one in so many, rows are asked for one by one.
_SPARSE = 20
# What comes later than this in a header is not searched.
_MAX_HEADER = 1 << 17


def search(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    key: SearchKey,
    uids_in_order: Sequence[int],
    first_recent_uid: int | None = None,
    saved: Sequence[int] = (),
    among: Set[int] | None = None,
    progress: Progress | None = None,
    index: TextIndex | None = None,
) -> list[int]:
    """See `search_scored`, which tells how well each of them matches, too."""
    found, _ = search_scored(
        conn, storage, account, mailbox, key, uids_in_order, first_recent_uid, saved, among, progress, index
    )
    return found


def search_scored(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    key: SearchKey,
    uids_in_order: Sequence[int],
    first_recent_uid: int | None = None,
    saved: Sequence[int] = (),
    among: Set[int] | None = None,
    progress: Progress | None = None,
    index: TextIndex | None = None,
) -> tuple[list[int], dict[int, int]]:
    """The UIDs of `uids_in_order` (the session's view: position + 1 is the sequence number) that match `key`, in that
    order. From `first_recent_uid` on messages are \\Recent; None means none is. `saved` are the UIDs of `$`. With
    `among`, only these are searched. `progress` counts the messages that have to be read. Who searches a mailbox
    piece by piece gives the same `index` each time. The scores, 1 to 100, are of messages that a FUZZY key found; all
    others match fully.
    """
    asked = set(uids_in_order) if among is None else set(among)
    if not asked:
        return [], {}
    span = (uids_in_order[0], uids_in_order[-1]) if among is None else (min(asked), max(asked))
    index = index or TextIndex(conn, mailbox.id)
    running = _Search(
        conn, storage, account, mailbox, uids_in_order, first_recent_uid, saved, asked, span, progress, index
    )
    found = sorted(running.matching(key, asked))
    return found, running.scores


class _Search:
    """One SEARCH with what it has read so far."""

    def __init__(
        self,
        conn: Connection,
        storage: Storage,
        account: AccountRef,
        mailbox: MailboxRecord,
        view: Sequence[int],
        first_recent_uid: int | None,
        saved: Sequence[int],
        asked: Set[int],
        span: tuple[int, int],
        progress: Progress | None,
        index: TextIndex,
    ) -> None:
        self._conn = conn
        self._storage = storage
        self._account = account
        self._mailbox = mailbox
        self._view = view
        self._first_recent_uid = first_recent_uid
        self._saved = saved
        self._asked = asked
        self._span = span
        self._progress = progress or Progress()
        self._index = index
        self._rows: dict[int, FlagRow] | None = None
        self._fuzzy = FuzzyScores(self.matching)
        self._envelopes: dict[int, bytes] = {}

    @property
    def scores(self) -> dict[int, int]:
        """How well messages match that FUZZY keys have found."""
        return self._fuzzy.scores()

    def matching(self, key: SearchKey, among: set[int]) -> set[int]:
        """Those of `among` that match."""
        if not among:
            return among
        match key:
            case All():
                return among
            case And(keys):
                return self._matching_all(sorted(keys, key=_cost), among)
            case Or(left, right):
                first, second = sorted((left, right), key=_cost)
                found = self.matching(first, among)
                return found | self.matching(second, among - found)
            case Not(inner):
                return among - self.matching(inner, among)
            case UidSet(ranges):
                return set(_in_ranges(among, ranges, max(self._view)))
            case SeqSet(ranges):
                return self._in_sequence(among, ranges)
            case Fuzzy(inner):
                return self._fuzzy.matching(inner, among)
            case Saved():
                return among.intersection(self._saved)
            case Recent(is_set):
                first_recent = self._first_recent_uid
                return {uid for uid in among if (first_recent is not None and uid >= first_recent) == is_set}
            case FlagKey() | Keyword() | Size() | Age() | ModSeq() | DateKey(DateField.INTERNAL):
                return self._matching_rows(_row_test(key), among)
            case EmailId() | DateKey(DateField.SAVED):
                return self._matching_rare(key, among)
            case _:
                return self._matching_content(key, among)

    def _matching_all(self, keys: Sequence[SearchKey], among: set[int]) -> set[int]:
        """Of several texts the rarest decides what is read, whichever comes first."""
        is_narrow = False
        for number, key in enumerate(keys):
            if not is_narrow and _cost(key) > _ROW and number + 1 < len(keys):
                among, is_narrow = candidates(self._index, And(tuple(keys[number:])), among), True
            among = self.matching(key, among)
        return among

    def _matching_rows(self, test: Callable[[FlagRow], bool], among: set[int]) -> set[int]:
        if self._rows is None:
            self._rows = {row.uid: row for row in self._read_rows()}
        rows = self._rows
        return {uid for uid in among if uid in rows and test(rows[uid])}

    def _read_rows(self) -> Sequence[FlagRow]:
        """Who searches a piece of the mailbox at a time, or a few messages of all of it, shall not read all of it."""
        first_uid, last_uid = self._span
        if last_uid - first_uid > _SPARSE * len(self._asked):
            return flag_rows(self._conn, self._mailbox.id, sorted(self._asked))
        return flag_rows_between(self._conn, self._mailbox.id, first_uid, last_uid)

    def _matching_rare(self, key: SearchKey, among: set[int]) -> set[int]:
        rows = rare_rows(self._conn, self._mailbox.id, sorted(among))
        match key:
            case EmailId(number):
                return {uid for uid, row in rows.items() if row.origin(self._mailbox.id) == number}
            case DateKey(_, comparison, day):
                saved = {uid: row.saved_at.astimezone(UTC).date() for uid, row in rows.items()}
                return {uid for uid, found in saved.items() if _compare(found, comparison, day)}
            case _:
                raise AssertionError(key)

    def _matching_content(self, key: SearchKey, among: set[int]) -> set[int]:
        match key:
            case DateKey(_, comparison, day):
                return self._by_envelope(lambda text: _compare(search_text.sent_day(text), comparison, day), among)
            case Header(name, value) if value and name.lower() in search_text.ENVELOPE_FIELDS:
                field, wanted = name.lower(), search_text.fold(value)
                among = candidates(self._index, key, among)
                return self._by_envelope(lambda text: search_text.envelope_contains(text, field, wanted), among)
            case Header(name, value):
                wanted = search_text.fold(value)
                among = candidates(self._index, key, among)
                return self._by_file(
                    lambda data: search_text.header_contains(headers_of(data), name, wanted), among, at_most=_MAX_HEADER
                )
            case Body(value):
                return self._by_text(search_text.body_contains, fields_of(key), value, among)
            case Text(value):
                return self._by_text(search_text.text_contains, fields_of(key), value, among)
            case _:
                raise AssertionError(key)

    def _by_text(
        self, contains: Callable[[bytes, str], bool], fields: Sequence[TextField], value: str, among: set[int]
    ) -> set[int]:
        """By the index, and by reading the messages of which it cannot tell."""
        wanted = search_text.fold(value)
        known = self._index.look_up(fields, wanted, among)
        found = among & known.found
        unsure = among - known.covered if known.is_exact else known.left_of(among)
        matching = self._by_file(lambda data: contains(data, wanted), unsure)
        return found | matching if known.is_exact else matching

    def _by_envelope(self, test: Callable[[bytes], bool], among: set[int]) -> set[int]:
        if missing := sorted(among - self._envelopes.keys()):
            self._envelopes.update(self._read_envelopes(missing))
        return {uid for uid in among if uid in self._envelopes and test(self._envelopes[uid])}

    def _read_envelopes(self, uids: Sequence[int]) -> dict[int, bytes]:
        wanted = {"mailbox_id": self._mailbox.id, "uids": uids}
        found: dict[int, bytes] = dict(self._conn.execute(statements.ENVELOPES, wanted, binary=True).fetchall())
        if unread := [uid for uid in uids if uid not in found]:
            store = self._storage.store(self._account)
            self._progress.expect(len(unread))
            for start in range(0, len(unread), _BLOCK):
                rows = cache.cached_rows(self._conn, store, self._mailbox.id, unread[start : start + _BLOCK])
                found.update((row.uid, row.envelope) for row in rows)
                self._progress.add(len(unread[start : start + _BLOCK]))
        return found

    def _by_file(self, test: Callable[[bytes], bool], among: set[int], *, at_most: int | None = None) -> set[int]:
        store = self._storage.store(self._account)
        found, uids = set(), sorted(among)
        self._progress.expect(len(uids))
        for start in range(0, len(uids), _BLOCK):
            rows = message_rows(self._conn, self._mailbox.id, uids[start : start + _BLOCK])
            for row, data in read_messages(store, self._name, rows, at_most=at_most):
                if test(data):
                    found.add(row.uid)
            self._progress.add(len(uids[start : start + _BLOCK]))
        return found

    @cached_property
    def _name(self) -> str:
        """The mailbox's name now: another session may have renamed it, and with it its folder."""
        row = self._conn.execute(index_statements.MAILBOX_BY_ID, {"mailbox_id": self._mailbox.id}).fetchone()
        return MailboxRecord._make(row).name if row is not None else self._mailbox.name

    def _in_sequence(self, among: set[int], ranges: Ranges) -> set[int]:
        last, found = len(self._view), set[int]()
        for low, high in _resolved(ranges, last):
            found.update(self._view[max(low, 1) - 1 : high])
        return among & found


def _cost(key: SearchKey) -> int:
    match key:
        case And(keys):
            return max(map(_cost, keys), default=_NOTHING)
        case Or(left, right):
            return max(_cost(left), _cost(right))
        case Not(inner) | Fuzzy(inner):
            return _cost(inner)
        case All() | UidSet() | SeqSet() | Saved() | Recent():
            return _NOTHING
        case DateKey(DateField.SENT):
            return _CACHED
        case Header(name, value):
            return _CACHED if value and name.lower() in search_text.ENVELOPE_FIELDS else _HEADER
        case Body() | Text():
            return _WHOLE
        case _:
            return _ROW


def _row_test(key: SearchKey) -> Callable[[FlagRow], bool]:
    match key:
        case FlagKey(bit, is_set):
            return lambda row: bool(row.flags & bit) == is_set
        case Keyword(keyword, is_set):
            lower = keyword.lower()
            return lambda row: (lower in [k.lower() for k in row.keywords]) == is_set
        case Size(octets, is_larger):
            return lambda row: row.size > octets if is_larger else row.size < octets
        case Age(seconds, is_younger):
            limit = time.time() - seconds
            return lambda row: (row.internal_date.timestamp() >= limit) == is_younger
        case ModSeq(modseq):
            return lambda row: row.modseq >= modseq
        case DateKey(_, comparison, day):
            return lambda row: _compare(row.internal_date.astimezone(UTC).date(), comparison, day)
        case _:
            raise AssertionError(key)


def _compare(found: date | None, comparison: Comparison, day: date) -> bool:
    if found is None:
        return False
    match comparison:
        case Comparison.BEFORE:
            return found < day
        case Comparison.ON:
            return found == day
        case Comparison.SINCE:
            return found >= day


def _resolved(ranges: Ranges, last: int) -> list[tuple[int, int]]:
    """Ranges with "*" replaced by the largest number, the smaller end first; in order, and joined where they overlap: a
    line may name all messages ten thousand times.
    """
    joined: list[tuple[int, int]] = []
    ends = ((last if start is None else start, last if end is None else end) for start, end in ranges)
    for low, high in sorted((min(pair), max(pair)) for pair in ends):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _in_ranges(numbers: Iterable[int], ranges: Ranges, last: int) -> Iterator[int]:
    resolved = _resolved(ranges, last)
    lows = [low for low, _ in resolved]
    return (n for n in numbers if (index := bisect_right(lows, n)) and n <= resolved[index - 1][1])
