"""A large message in wire form for parsers that look into it as into bytes, with two blocks of it in memory.

Made in one pass over the message, which finds out at which wire offset each block of the file begins; after that any
place is read from the file when it is asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict

from mailcore.message.wire import to_wire, wire_size
from mailcore.store.base import StoredMessage

BLOCK_BYTES = 256 * 1024
_KEPT = 2


class WireText:
    """What parse_structure asks of a message. `message` stays open, and belongs to the caller."""

    def __init__(self, message: StoredMessage, block: int = BLOCK_BYTES) -> None:
        self._message = message
        self._block = block
        # The wire offset of each block, and whether a CR that ends the block before belongs to it.
        self._starts: list[int] = []
        self._with_cr: list[bool] = []
        self._blocks: OrderedDict[int, bytes] = OrderedDict()
        self._size = self._measure()

    def _measure(self) -> int:
        size, with_cr, left = 0, False, self._message.disk_size
        for chunk in self._message.disk_chunks(self._block):
            self._starts.append(size)
            self._with_cr.append(with_cr)
            left -= len(chunk)
            size += wire_size(_whole(chunk, with_cr=with_cr, is_last=left <= 0))
            with_cr = chunk.endswith(b"\r")
        return size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, wanted: slice, /) -> bytes:
        start, end, step = wanted.indices(self._size)
        assert step == 1
        pieces = []
        while start < end:
            number = self._number(start)
            offset, text = self._starts[number], self._text(number)
            pieces.append(text[start - offset : end - offset])
            start = offset + len(text)
        return b"".join(pieces)

    def startswith(self, prefix: bytes, start: int = 0, /) -> bool:
        return self[start : start + len(prefix)] == prefix

    def find(self, wanted: bytes, start: int = 0, end: int | None = None, /) -> int:
        """As bytes.find."""
        end = self._size if end is None else min(end, self._size)
        while start + len(wanted) <= end:
            number = self._number(start)
            offset, text = self._starts[number], self._text(number)
            found = text.find(wanted, start - offset, end - offset)
            if found >= 0:
                return offset + found
            following = offset + len(text)
            # Across the seam of two blocks.
            seam_start = max(start, following - len(wanted) + 1)
            seam = self[seam_start : min(following + len(wanted) - 1, end)]
            found = seam.find(wanted)
            if found >= 0:
                return seam_start + found
            start = following
        return -1

    def count(self, octet: bytes, start: int, end: int, /) -> int:
        """How often one octet occurs in a range."""
        total, end = 0, min(end, self._size)
        while start < end:
            number = self._number(start)
            offset, text = self._starts[number], self._text(number)
            total += text.count(octet, start - offset, end - offset)
            start = offset + len(text)
        return total

    def _number(self, position: int) -> int:
        return bisect_right(self._starts, position) - 1

    def _text(self, number: int) -> bytes:
        text = self._blocks.get(number)
        if text is None:
            chunk = self._message.disk_range(number * self._block, self._block)
            is_last = number == len(self._starts) - 1
            text = to_wire(_whole(chunk, with_cr=self._with_cr[number], is_last=is_last))
            self._blocks[number] = text
            if len(self._blocks) > _KEPT:
                self._blocks.popitem(last=False)
        else:
            self._blocks.move_to_end(number)
        return text


def _whole(chunk: bytes, *, with_cr: bool, is_last: bool) -> bytes:
    """A CR at the end of a block is read with the next, which may begin with its LF."""
    if with_cr:
        chunk = b"\r" + chunk
    return chunk[:-1] if chunk.endswith(b"\r") and not is_last else chunk
