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


@dataclass(frozen=True, slots=True)
class _Segment:
    id: int
    uids: Sequence[int]
    words: bytes


def look_up(
    conn: Connection, mailbox_id: int, fields: Iterable[TextField], wanted: str, among: Collection[int]
) -> Known:
    """Where `wanted` (folded) may be in one of `fields`, as far as the index covers the messages `among`."""
    needle = Needle.parse(wanted)
    if not needle.pieces or len(among) <= _FEW:
        return Known()
    known = [_look_up(conn, mailbox_id, each, needle, among) for each in fields]
    return Known(
        set.intersection(*(each.covered for each in known)),
        set.union(*(each.found for each in known)),
        needle.is_exact,
    )


def _look_up(conn: Connection, mailbox_id: int, field: TextField, needle: Needle, among: Collection[int]) -> Known:
    span = {
        "mailbox_id": mailbox_id,
        "field": field,
        "fold_version": casemap.VERSION,
        "first_uid": min(among),
        "last_uid": max(among),
    }
    rows = conn.execute(statements.SEGMENTS, span, binary=True).fetchall()
    segments = [_Segment(id, from_octets("I", uids), words) for id, uids, words in rows]
    covered = {uid for segment in segments for uid in segment.uids}
    found = covered
    for piece in needle.pieces:
        holders = _messages_with(conn, segments, piece)
        if holders is None:
            return Known()
        found = found & holders
    return Known(covered, found)


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
