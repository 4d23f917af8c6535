"""Where the messages of an mbox file are, and their text without what belongs to the file format."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, cast

from mailcore.message.flags import Flags
from mailcore.store.mbox import format

_BLOCK = 1 << 20
# A header longer than this is cut: what follows is taken for body. Nothing is lost by that.
_MAX_HEADER = 1 << 20
_MAX_FROM_LINE = 1024
_IN_MEMORY = 4 << 20


@dataclass(frozen=True, slots=True)
class Entry:
    """One message: [start, end) with its From_ line and the empty line behind it; its header is
    [header_start, body_start). `status` is offset and length of our status fields, length 0 if there are
    none.
    """

    key: str
    start: int
    header_start: int
    body_start: int
    end: int
    flags: Flags
    internal_date: datetime
    status: tuple[int, int]


def parse(fd: int, size: int | None = None) -> tuple[Entry, ...]:
    """All messages in file order; of the first `size` bytes only, if given."""
    if size is None:
        size = os.fstat(fd).st_size
    starts = [start for start in _from_lines(fd) if start < size]
    if not starts:
        return ()
    seen: dict[str, int] = {}
    return tuple(_entry(fd, start, end, seen) for start, end in zip(starts, [*starts[1:], size], strict=True))


def _entry(fd: int, start: int, end: int, seen: dict[str, int]) -> Entry:
    line = format.FROM_LINE.match(os.pread(fd, min(_MAX_FROM_LINE, end - start), start))
    if line is None:
        raise AssertionError("a message begins at a From_ line")
    header_start = start + line.end()
    header = os.pread(fd, min(_MAX_HEADER, end - header_start), header_start)
    header = header[: format.split_header(header)]
    body_start = header_start + len(header)
    name = f"id:{message_id}" if (message_id := format.id_of(header)) else ""
    if not name:
        name = f"md:{_digest(fd, header, body_start, end)}"
    seen[name] = seen.get(name, 0) + 1
    offset, length = format.place_of_status(header)
    return Entry(
        # A program may have copied a message into the same file: the second one has the same name.
        key=name if seen[name] == 1 else f"{name}#{seen[name]}",
        start=start,
        header_start=header_start,
        body_start=body_start,
        end=end,
        flags=format.flags_of(header),
        internal_date=format.date_of(line),
        status=(header_start + offset, length),
    )


def _from_lines(fd: int) -> Iterator[int]:
    """Offsets of the lines at which a message begins."""
    if format.FROM_LINE.match(os.pread(fd, _MAX_FROM_LINE, 0)):
        yield 0
    position, carry = 0, b""
    while block := os.pread(fd, _BLOCK, position):
        data, base = carry + block, position - len(carry)
        found = data.find(b"\nFrom ")
        while found >= 0:
            if format.FROM_LINE.match(os.pread(fd, _MAX_FROM_LINE, base + found + 1)):
                yield base + found + 1
            found = data.find(b"\nFrom ", found + 1)
        position += len(block)
        carry = data[-5:]


def _digest(fd: int, header: bytes, body_start: int, end: int) -> str:
    digest = format.Digest(header)
    for block in read_blocks(fd, body_start, end):
        digest.update(block)
    return digest.hexdigest()


def read_blocks(fd: int, start: int, end: int) -> Iterator[bytes]:
    """The bytes from `start` to `end` in blocks."""
    while start < end and (block := os.pread(fd, min(_BLOCK, end - start), start)):
        start += len(block)
        yield block


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes cut only behind line ends, so that quoting may look at line beginnings."""
    held = b""
    for block in blocks:
        cut = block.rfind(b"\n") + 1
        if cut:
            yield held + block[:cut]
            held = block[cut:]
        else:
            held += block
    if held:
        yield held


def extract(fd: int, entry: Entry) -> BinaryIO:
    """The message in disk form, in a file of its own (in memory unless it is large)."""
    target = cast(BinaryIO, tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))  # noqa: SIM115
    try:
        for text in text_of(fd, entry):
            target.write(text)
    except BaseException:
        target.close()
        raise
    return target


def text_of(fd: int, entry: Entry) -> Iterator[bytes]:
    """The message in disk form, in pieces."""
    end = entry.end
    # The empty line in front of the next From_ line belongs to the file.
    if end - 2 >= entry.header_start and os.pread(fd, 2, end - 2) == b"\n\n":
        end -= 1
    header = os.pread(fd, min(entry.body_start, end) - entry.header_start, entry.header_start)
    yield format.without_status(header)
    for lines in whole_lines(read_blocks(fd, entry.body_start, end)):
        yield format.unquote(lines)
