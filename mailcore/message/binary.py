"""Messages with octets that files of lines cannot keep (RFC 3516 section 4.4): their binary parts are encoded.

A part whose Content-Transfer-Encoding is "binary" may hold NUL, bare CR and bare LF. In disk form these would be lost,
so such parts become base64, and their header says so; signatures over them do not survive that, which the RFC accepts.
What else of NUL there is becomes 0x80, as with any literal.
"""

from __future__ import annotations

import binascii
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from mailcore.message.decoding import blocks, with_encoding
from mailcore.message.structure import Octets, Part, parse_structure
from mailcore.message.wire import ToDisk

# Of these, 57 octets become a line of 76.
_BLOCK = 57 * 4096


def storable(data: bytes, *, binary: bool) -> bytes:
    """The disk form of a message as it came; `binary`: its binary parts may hold any octet."""
    return b"".join(_pieces(data, binary=binary))


def write_storable(source: Path, target: BinaryIO, *, binary: bool) -> None:
    """The same from file to file. Raises OSError."""
    if not os.path.getsize(source):
        return
    with open(source, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        for piece in _pieces(_Mapped(mapped), binary=binary):
            target.write(piece)


def _pieces(data: Octets, *, binary: bool) -> Iterator[bytes]:
    convert = ToDisk()
    for piece in _encoded(data) if binary else blocks(data, 0, len(data)):
        yield convert.feed(piece.replace(b"\0", b"\x80") if b"\0" in piece else piece)
    yield convert.close()


def _encoded(data: Octets) -> Iterator[bytes]:
    position = 0
    for part in _binary_parts(parse_structure(data)):
        yield from blocks(data, position, part.header_start)
        yield with_encoding(data[part.header_start : part.body_start], b"base64")
        for start in range(part.body_start, part.body_end, _BLOCK):
            yield _base64(data[start : min(start + _BLOCK, part.body_end)])
        position = part.body_end
    yield from blocks(data, position, len(data))


def _binary_parts(part: Part) -> Iterator[Part]:
    """In the order of the message."""
    for child in part.children:
        yield from _binary_parts(child)
    if not part.children and part.encoding == "binary":
        yield part


def _base64(block: bytes) -> bytes:
    lines = [block[at : at + 57] for at in range(0, len(block), 57)]
    return b"".join(binascii.b2a_base64(line, newline=False) + b"\r\n" for line in lines)


class _Mapped:
    """A file as the octets that parse_structure asks for."""

    def __init__(self, mapped: mmap.mmap) -> None:
        self._mapped = mapped

    def __len__(self) -> int:
        return len(self._mapped)

    def __getitem__(self, wanted: slice, /) -> bytes:
        return self._mapped[wanted]

    def startswith(self, prefix: bytes, start: int = 0, /) -> bool:
        return self._mapped[start : start + len(prefix)] == prefix

    def find(self, wanted: bytes, start: int = 0, end: int | None = None, /) -> int:
        return self._mapped.find(wanted, start, len(self) if end is None else end)

    def count(self, octet: bytes, start: int, end: int, /) -> int:
        return sum(block.count(octet) for block in blocks(self, start, end))
