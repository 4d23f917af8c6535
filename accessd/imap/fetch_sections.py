"""FETCH items that need the message itself: BODY[...] and the RFC822 items.

How much of a message is read depends on what is asked for: for header sections its beginning, for others all of it;
large messages are not read into memory but sent from their file, a block at a time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from accessd.imap.fetch_binary import UnknownEncoding, write_decoded
from accessd.imap.grammar.fetch_att import BodyItem, Decoding
from mailcore.message.headers import header_end
from mailcore.message.section import Section, cut, header_fields, locate
from mailcore.message.structure import Part, parse_structure
from mailcore.store.base import StoredMessage
from mailcore.store.wire_text import WireText

HEAD_BYTES = 8192
LARGE_BYTES = 1024 * 1024
"""From this size on a message is sent from its file."""
BLOCK_BYTES = 256 * 1024

_WHOLE = Section()


def only_headers(items: Sequence[BodyItem]) -> bool:
    """Is the beginning of the message enough?"""
    return all(item.section.kind.startswith("HEADER") and not item.section.path for item in items)


def only_whole(items: Sequence[BodyItem]) -> bool:
    """Is the message wanted as it is, once?"""
    return len(items) == 1 and is_whole(items[0])


def is_whole(item: BodyItem) -> bool:
    """Are these all octets of the message, as they are?"""
    return item.section == _WHOLE and item.partial is None and item.decoding is Decoding.NONE


def needs_structure(items: Sequence[BodyItem]) -> bool:
    """Must the parts of the message be known?"""
    return any(item.section.path or item.decoding is not Decoding.NONE for item in items)


def read_head(message: StoredMessage) -> bytes:
    """The header section of a message with its empty line, read without the body."""
    size = HEAD_BYTES
    while True:
        data = message.read_range(0, size)
        end = header_end(data)
        if end < len(data) or len(data) < size:
            return data[:end]
        size *= 4


def write_sections(data: bytes, items: Sequence[BodyItem], failed: list[BodyItem] | None = None) -> bytes:
    """`BODY[...] {n}...` for each item, cut out of `data`: the message, or its header if that is enough. What cannot be
    decoded is left out and goes to `failed`.
    """
    structure = parse_structure(data) if needs_structure(items) else None
    written = []
    for item in items:
        try:
            written.append(_write(data, structure, item))
        except UnknownEncoding:
            if failed is not None:
                failed.append(item)
    return b" ".join(written)


def _write(data: bytes, structure: Part | None, item: BodyItem) -> bytes:
    if item.decoding is not Decoding.NONE:
        assert structure is not None
        return b"".join(write_decoded(data, structure, item))
    value = data if item.section == _WHOLE else cut(data, structure, item.section)
    if value is None:
        return item.label + b" NIL"
    if item.partial is not None:
        start, length = item.partial
        value = value[start : start + length]
    return b"%b {%d}\r\n%b" % (item.label, len(value), without_nul(value))


def without_nul(value: bytes) -> bytes:
    """NUL may be in a message that another program stored, but never in a literal; Dovecot puts the same for it."""
    return value.replace(b"\0", b"\x80") if b"\0" in value else value


def write_large(
    message: StoredMessage, structure: Part | None, items: Sequence[BodyItem], failed: list[BodyItem] | None = None
) -> Iterator[bytes]:
    """The same from an open file, in pieces. `structure` is needed where the parts of the message are."""
    separator = b""
    for item in items:
        pieces = _write_large(message, structure, item)
        try:
            first = next(pieces)
        except UnknownEncoding:
            if failed is not None:
                failed.append(item)
            continue
        yield separator + first
        yield from pieces
        separator = b" "


def _write_large(message: StoredMessage, structure: Part | None, item: BodyItem) -> Iterator[bytes]:
    if item.decoding is not Decoding.NONE:
        assert structure is not None
        yield from write_decoded(WireText(message), structure, item)
        return
    found = _range_of(message, structure, item.section)
    if found is None:
        yield item.label + b" NIL"
        return
    start, end = found
    if item.section.kind.startswith("HEADER"):
        yield _header(message.read_range(start, end - start), item)
        return
    if item.partial is not None:
        start = min(end, start + item.partial[0])
        end = min(end, start + item.partial[1])
    yield b"%b {%d}\r\n" % (item.label, end - start)
    yield from _blocks(message, start, end)


def section_pieces(
    message: StoredMessage, section: Section, partial: tuple[int, int | None] | None
) -> Iterator[bytes] | None:
    """The octets of a section, or of them so many from the first one named; None when there is no such section."""
    structure = parse_structure(WireText(message)) if section.path else None
    found = _range_of(message, structure, section)
    if found is None:
        return None
    first, length = partial or (0, None)
    start, end = found
    if section.kind.startswith("HEADER"):
        block = _fields(message.read_range(start, end - start), section)
        return iter((block[first:] if length is None else block[first : first + length],))
    start = min(end, start + first)
    return _blocks(message, start, end if length is None else min(end, start + length))


def _range_of(message: StoredMessage, structure: Part | None, section: Section) -> tuple[int, int] | None:
    if section.path:
        assert structure is not None
        return locate(structure, section)
    if section.kind == "":
        return 0, message.wire_size
    body_start = len(read_head(message))
    return (body_start, message.wire_size) if section.kind == "TEXT" else (0, body_start)


def _header(block: bytes, item: BodyItem) -> bytes:
    block = _fields(block, item.section)
    if item.partial is not None:
        block = block[item.partial[0] : item.partial[0] + item.partial[1]]
    return b"%b {%d}\r\n%b" % (item.label, len(block), without_nul(block))


def _fields(block: bytes, section: Section) -> bytes:
    return header_fields(block, section.fields, negate=section.kind.endswith(".NOT")) if section.fields else block


def _blocks(message: StoredMessage, start: int, end: int) -> Iterator[bytes]:
    """The octets from `start` to `end`, never more and never fewer."""
    position = 0
    for chunk in message.chunks(BLOCK_BYTES):
        if position >= end:
            return
        piece = chunk[max(0, start - position) : end - position]
        position += len(chunk)
        if piece:
            yield without_nul(piece)
    if position < end:
        raise ConnectionAbortedError("a message became shorter while it was sent")
