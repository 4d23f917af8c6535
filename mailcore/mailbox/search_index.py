"""The search index: which messages of a mailbox contain a text, without reading them.

It may know less than there is: messages that came lately are not in it, and whoever asks reads those. It never knows
more: what it says of a message is what reading the message would say, if `is_exact`, and else a list of candidates.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import psycopg

from mailcore.mailbox import statements
from mailcore.mailbox.words import Needle, find_words, from_octets
from mailcore.message import casemap

Connection = psycopg.Connection[Any]

# What is in more words than this is in so many messages that reading them is no worse.
_MOST_WORDS = 2000
# So few messages are read sooner than words of a thousand.
_FEW = 20
# What a search remembers is bounded, however many texts it looks for, and however frequent they are.
MOST_REMEMBERED = 16
_MOST_FOUND = 20_000


class TextField(IntEnum):
    """Which text of a message."""

    ENVELOPE = 0
    HEADER = 1
    BODY = 2


@dataclass(slots=True)
class Known:
    """What the index says: of the messages `covered`, only those `found` can contain the text."""

    covered: set[int] = field(default_factory=set)
    found: set[int] = field(default_factory=set)
    is_exact: bool = False

    def left_of(self, among: set[int]) -> set[int]:
        """Those of `among` that may contain it: found, or not covered."""
        return (among - self.covered) | (among & self.found) if self.covered else among


@dataclass(frozen=True, slots=True)
class _Segment:
    id: int
    uids: Sequence[int]
    words: bytes


class TextIndex:
    """The index as one search asks it: each text once, however many keys look for it. A word of webmail is looked for
    in three fields of the ENVELOPE, and what has narrowed a search down is asked again by the keys that decide.
    """

    def __init__(self, conn: Connection, mailbox_id: int) -> None:
        self._conn = conn
        self._mailbox_id = mailbox_id
        self._first_uid = self._last_uid = 0
        self._answers: dict[tuple[TextField, str], Known] = {}
        self._blocks: Sequence[bytes] = ()
        self._covered: set[int] = set()

    def look_up(self, fields: Iterable[TextField], wanted: str, among: Collection[int]) -> Known:
        """Where `wanted` (folded) may be in one of `fields`, as far as the index covers the messages `among`. The sets
        are shared, and to be read only.
        """
        needle = Needle.parse(wanted)
        if not needle.pieces or len(among) <= _FEW:
            return Known()
        span = min(among), max(among)
        known = [self._remembered(each, wanted, needle, *span) for each in fields]
        covered, found = known[0].covered, known[0].found
        for other in known[1:]:
            covered = covered if other.covered is covered else covered & other.covered
            found = found | other.found
        return Known(covered, found, needle.is_exact)

    def _remembered(self, field: TextField, wanted: str, needle: Needle, first_uid: int, last_uid: int) -> Known:
        is_inside = self._first_uid <= first_uid and last_uid <= self._last_uid
        if is_inside and (known := self._answers.get((field, wanted))) is not None:
            return known
        known = self._ask(field, needle, first_uid, last_uid)
        if (self._first_uid, self._last_uid) != (first_uid, last_uid):
            self._answers.clear()
            self._first_uid, self._last_uid = first_uid, last_uid
        if len(self._answers) < MOST_REMEMBERED and len(known.found) <= _MOST_FOUND:
            self._answers[field, wanted] = known
        return known

    def _ask(self, field: TextField, needle: Needle, first_uid: int, last_uid: int) -> Known:
        span = {
            "mailbox_id": self._mailbox_id,
            "field": field,
            "fold_version": casemap.VERSION,
            "first_uid": first_uid,
            "last_uid": last_uid,
        }
        rows = self._conn.execute(statements.SEGMENTS, span, binary=True).fetchall()
        segments = [_Segment(id, from_octets("I", uids), words) for id, uids, words in rows]
        found: set[int] | None = None
        for piece in needle.pieces:
            holders = _messages_with(self._conn, segments, piece)
            if holders is None:
                return Known()
            found = holders if found is None else found & holders
        return Known(self._covered_by([uids for _, uids, _ in rows]), found or set())

    def _covered_by(self, blocks: Sequence[bytes]) -> set[int]:
        """Every kind of text has the same blocks: one set for all of them."""
        if blocks != self._blocks:
            self._blocks = blocks
            self._covered = {uid for uids in blocks for uid in from_octets("I", uids)}
        return self._covered


def _messages_with(conn: Connection, segments: Sequence[_Segment], piece: bytes) -> set[int] | None:
    """The messages with `piece` in one of their words; None if that cannot be told."""
    hits: list[tuple[_Segment, int]] = []
    for segment in segments:
        numbers = find_words(segment.words, piece, _MOST_WORDS - len(hits))
        if numbers is None:
            return None
        hits += [(segment, number) for number in numbers]
    postings = _postings(conn, hits) if hits else []
    if postings is None:
        return None
    return {
        segment.uids[position]
        for (segment, _), octets in zip(hits, postings, strict=True)
        for position in from_octets("H", octets)
    }


def _postings(conn: Connection, hits: Sequence[tuple[_Segment, int]]) -> list[bytes] | None:
    """The postings of each word; None if a segment was replaced in the meantime."""
    ids = [segment.id for segment, _ in hits]
    numbers = [number for _, number in hits]
    offsets = conn.execute(statements.OFFSETS, {"ids": ids, "numbers": numbers}, binary=True).fetchall()
    if len(offsets) < len(hits):
        return None
    spans = [from_octets("I", octets) for _, octets in offsets]
    where = {"ids": ids, "firsts": [s[0] for s in spans], "lengths": [s[1] - s[0] for s in spans]}
    postings = conn.execute(statements.POSTINGS, where, binary=True).fetchall()
    return [octets for _, octets in postings] if len(postings) == len(hits) else None
