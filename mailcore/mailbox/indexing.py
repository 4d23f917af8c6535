"""Extending the search index, in the background: reads messages once, remembers their words and what FETCH asks for.

Never on the way of a delivery or of a client: a worker calls `extend` for mailboxes that are `behind`. What it has not
reached yet is searched by reading it. A message is left out, and read by each search, when its text is very long.

Words that were folded by an older rule (mailcore.message.casemap.VERSION) are of no use: such blocks are as good as not
there until `renew` has made them again.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg

from mailcore.identity import AccountRef
from mailcore.index import statements as index_statements
from mailcore.index.records import MailboxRecord, MessageRow
from mailcore.mailbox import cache, search_text, statements
from mailcore.mailbox.rare import write_previews
from mailcore.mailbox.reading import read_messages
from mailcore.mailbox.search_index import TextField
from mailcore.mailbox.words import MOST_MESSAGES, WordCollector, to_octets
from mailcore.message import casemap
from mailcore.message.preview import preview
from mailcore.message.structure import parse_structure
from mailcore.message.summary import Summary, summarise_structure
from mailcore.store.base import MessageStore
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]

# So many messages are read by a search within some milliseconds.
TAIL = 200
CALM_S = 10.0
_LONGEST_MESSAGE = 32 << 20
_LONGEST_TEXT = 2 << 20
_AT_ONCE = 50

Words = dict[TextField, set[str]]


def behind(
    conn: Connection, most: int, *, at_least: int = TAIL, calm_s: float = CALM_S
) -> list[tuple[int, AccountRef]]:
    """Mailboxes with `at_least` messages that the index does not know: their ids and owners."""
    wanted = {"at_least": at_least, "calm_s": calm_s, "most": most}
    return [(row[0], AccountRef(*row[1:])) for row in conn.execute(statements.BEHIND, wanted)]


def stale(conn: Connection, most: int) -> list[tuple[int, AccountRef]]:
    """Mailboxes with blocks that `renew` can make anew: their ids and owners."""
    wanted = {"fold_version": casemap.VERSION, "most": most}
    return [(row[0], AccountRef(*row[1:])) for row in conn.execute(statements.STALE, wanted)]


def extend(conn: Connection, storage: Storage, account: AccountRef, mailbox_id: int) -> bool:
    """Index the next block of messages; False if there was none, or another process was quicker. The last block is
    indexed again with what came after it, until it is full.
    """
    row = conn.execute(index_statements.MAILBOX_BY_ID, {"mailbox_id": mailbox_id}).fetchone()
    if row is None:
        return False
    mailbox = MailboxRecord._make(row)
    last = _last_segment(conn, mailbox_id)
    after = _indexed_up_to(last)
    if last is not None and last[1] >= mailbox.uidnext - 1:
        return False
    span = {"mailbox_id": mailbox_id, "after": after, "uidnext": mailbox.uidnext, "most": MOST_MESSAGES}
    found = conn.execute(statements.NEXT_MESSAGES, span, binary=True).fetchall()
    block = _Block(list(map(MessageRow._make, found)))
    block.read(conn, storage.store(account), mailbox)
    return _write(conn, mailbox, last, after, block)


def renew(conn: Connection, storage: Storage, account: AccountRef, mailbox_id: int) -> bool:
    """Make the newest stale block of a mailbox again, in as many blocks as its words take by now; False if there was
    none, or another process was quicker.
    """
    row = conn.execute(index_statements.MAILBOX_BY_ID, {"mailbox_id": mailbox_id}).fetchone()
    old = _stale_block(conn, mailbox_id)
    if row is None or old is None:
        return False
    mailbox, (first_uid, last_uid, is_full) = MailboxRecord._make(row), old
    after, blocks = first_uid - 1, list[tuple[int, _Block]]()
    while after < last_uid:
        span = {"mailbox_id": mailbox_id, "after": after, "uidnext": last_uid + 1, "most": MOST_MESSAGES}
        found = conn.execute(statements.NEXT_MESSAGES, span, binary=True).fetchall()
        block = _Block(list(map(MessageRow._make, found)))
        block.read(conn, storage.store(account), mailbox)
        blocks.append((after + 1, block))
        after = block.last_uid or last_uid
    if blocks:
        blocks[-1][1].close(last_uid, is_full=is_full)
    return _replace(conn, mailbox_id, old, blocks)


def _stale_block(conn: Connection, mailbox_id: int) -> tuple[int, int, bool] | None:
    wanted = {"mailbox_id": mailbox_id, "fold_version": casemap.VERSION}
    return conn.execute(statements.STALE_BLOCK, wanted).fetchone()


def _replace(
    conn: Connection, mailbox_id: int, old: tuple[int, int, bool], blocks: Sequence[tuple[int, _Block]]
) -> bool:
    wanted = {"mailbox_id": mailbox_id, "last_uid": old[1], "fold_version": casemap.VERSION}
    try:
        with conn.transaction():
            conn.execute(statements.LOCK_SEGMENTS, wanted)
            if _stale_block(conn, mailbox_id) != old:
                return False
            conn.execute(statements.DELETE_STALE_BLOCK, wanted)
            for first_uid, block in blocks:
                span = {"mailbox_id": mailbox_id, "first_uid": first_uid, "last_uid": block.last_uid}
                conn.execute(statements.INSERT_SEGMENTS, {**span, **block.columns()})
    except psycopg.errors.ForeignKeyViolation:
        return False
    return True


class _Block:
    """Messages on their way into one segment."""

    def __init__(self, rows: Sequence[MessageRow]) -> None:
        self._rows = rows
        self._collectors = {each: WordCollector() for each in TextField}
        self.uids = array("I")
        self.is_full = len(rows) == MOST_MESSAGES
        self.last_uid = rows[-1].uid if self.is_full else 0
        """The last message that this block speaks for; 0 if that is all there are."""

    def read(self, conn: Connection, store: MessageStore, mailbox: MailboxRecord) -> None:
        """Collect the words of as many messages as one segment takes."""
        for start in range(0, len(self._rows), _AT_ONCE):
            some = self._rows[start : start + _AT_ONCE]
            for uid, words in _read(conn, store, mailbox, some):
                self._add(uid, words)
            if any(collector.is_full for collector in self._collectors.values()):
                self.is_full, self.last_uid = True, some[-1].uid
                return

    def _add(self, uid: int, words: Words) -> None:
        for each, collector in self._collectors.items():
            collector.add(len(self.uids), words[each])
        self.uids.append(uid)

    def close(self, last_uid: int, *, is_full: bool) -> None:
        """It speaks for all messages up to this one."""
        self.last_uid, self.is_full = last_uid, is_full

    def columns(self) -> dict[str, Any]:
        """For INSERT_SEGMENTS."""
        packed = {each: collector.pack() for each, collector in self._collectors.items()}
        return {
            "is_full": self.is_full,
            "fold_version": casemap.VERSION,
            "uids": to_octets(self.uids),
            "fields": list(packed),
            "words": [each.words for each in packed.values()],
            "offsets": [each.offsets for each in packed.values()],
            "postings": [each.postings for each in packed.values()],
        }


def _read(
    conn: Connection, store: MessageStore, mailbox: MailboxRecord, rows: Sequence[MessageRow]
) -> Iterator[tuple[int, Words]]:
    """The words of messages; by the way, ENVELOPE and its kin of those that nobody has asked about."""
    wanted = {"mailbox_id": mailbox.id, "uids": [row.uid for row in rows]}
    envelopes: dict[int, bytes] = dict(conn.execute(statements.ENVELOPES, wanted, binary=True).fetchall())
    summaries: dict[int, Summary] = {}
    previews: dict[int, str] = {}
    for row, data in read_messages(store, mailbox.name, [row for row in rows if row.size <= _LONGEST_MESSAGE]):
        root = parse_structure(data)
        envelope = envelopes.get(row.uid)
        if envelope is None:
            summaries[row.uid], previews[row.uid] = summarise_structure(root), preview(data, root)
            envelope = summaries[row.uid].envelope
        words = {
            TextField.ENVELOPE: _words(search_text.envelope_texts(envelope)),
            TextField.HEADER: _words(search_text.header_texts(root)),
            TextField.BODY: _words(search_text.body_texts(data, root)),
        }
        if sum(map(len, words[TextField.BODY])) <= _LONGEST_TEXT:
            yield row.uid, words
    cache.write_back(conn, mailbox.id, summaries)
    write_previews(conn, mailbox.id, previews)


def _words(texts: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for text in texts:
        found.update(search_text.fold(text).split())
    return found


def _last_segment(conn: Connection, mailbox_id: int) -> tuple[int, int, bool] | None:
    return conn.execute(statements.LAST_SEGMENT, {"mailbox_id": mailbox_id}).fetchone()


def _indexed_up_to(last: tuple[int, int, bool] | None) -> int:
    """The UID behind which the next block begins."""
    if last is None:
        return 0
    first_uid, last_uid, is_full = last
    return last_uid if is_full else first_uid - 1


def _write(
    conn: Connection, mailbox: MailboxRecord, last: tuple[int, int, bool] | None, after: int, block: _Block
) -> bool:
    span = {"mailbox_id": mailbox.id, "first_uid": after + 1, "last_uid": block.last_uid or mailbox.uidnext - 1}
    try:
        with conn.transaction():
            conn.execute(statements.LOCK_SEGMENTS, span)
            if _last_segment(conn, mailbox.id) != last:
                return False
            conn.execute(statements.DELETE_SEGMENTS_FROM, span)
            conn.execute(statements.DELETE_EMPTY_SEGMENTS, span)
            conn.execute(statements.INSERT_SEGMENTS, {**span, **block.columns()})
    except psycopg.errors.ForeignKeyViolation:
        # The mailbox was deleted in the meantime.
        return False
    return True


def forget(conn: Connection, mailbox_id: int) -> None:
    """Index a mailbox anew, from its first message."""
    conn.execute(statements.FORGET_SEGMENTS, {"mailbox_id": mailbox_id})
