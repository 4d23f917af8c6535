"""FETCH items that show what is behind a Content-Transfer-Encoding: BINARY[...] and BINARY.SIZE[...] (RFC 3516).

A large part is decoded twice, for its size goes in front of it; that costs time, never memory.
"""

from __future__ import annotations

from collections.abc import Iterator

from accessd.imap.grammar.fetch_att import BodyItem, Decoding
from mailcore.message.decoding import UnknownEncoding, decoded
from mailcore.message.structure import Octets, Part

__all__ = ["UnknownEncoding", "write_decoded"]


def write_decoded(data: Octets, structure: Part, item: BodyItem) -> Iterator[bytes]:
    """The item in pieces; a literal8 if there is NUL in it. The first step may raise UnknownEncoding."""
    pieces = decoded(data, structure, item.section.path)
    if pieces is None:
        # A size is a number in any case, as the grammar wants it.
        yield item.label + (b" 0" if item.decoding is Decoding.SIZE else b" NIL")
        return
    size, has_nul = _measure(pieces)
    if item.decoding is Decoding.SIZE:
        yield b"%b %d" % (item.label, size)
        return
    first, length = item.partial or (0, size)
    first = min(first, size)
    length = min(length, size - first)
    yield b"%b %b{%d}\r\n" % (item.label, b"~" if has_nul else b"", length)
    yield from _range(decoded(data, structure, item.section.path) or iter(()), first, first + length)


def _measure(pieces: Iterator[bytes]) -> tuple[int, bool]:
    size, has_nul = 0, False
    for piece in pieces:
        size += len(piece)
        has_nul = has_nul or b"\0" in piece
    return size, has_nul


def _range(pieces: Iterator[bytes], start: int, end: int) -> Iterator[bytes]:
    position = 0
    for piece in pieces:
        if position >= end:
            return
        yield piece[max(0, start - position) : end - position]
        position += len(piece)
