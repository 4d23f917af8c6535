"""Sequence sets: `1,3:5,9:*` (RFC 3501 section 9), as intervals, so that `1:*` costs nothing.

The same syntax names message sequence numbers and UIDs; only the meaning of `*` differs, so it is resolved
by the caller, who knows the largest number in use.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from accessd.imap.grammar.tokens import MAX_UINT32, BadSyntax, Scanner

STAR = 0
"""Stands for `*` in an interval; 0 itself is never a valid number."""

_SET = re.compile(rb"[0-9*:,]+")


@dataclass(frozen=True, slots=True)
class SequenceSet:
    """Intervals as written: ends may be in either order, may overlap, and may be STAR."""

    intervals: tuple[tuple[int, int], ...]
    is_saved: bool = False
    """`$`: what the last search with RETURN (SAVE) found (RFC 5182); there are no intervals."""

    def resolve(self, largest: int) -> list[tuple[int, int]]:
        """The intervals with `*` replaced by `largest`: low end first, in order, joined where they meet."""
        plain = sorted(
            (min(ends), max(ends)) for ends in ((low or largest, high or largest) for low, high in self.intervals)
        )
        joined: list[tuple[int, int]] = []
        for low, high in plain:
            if joined and low <= joined[-1][1] + 1:
                joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
            else:
                joined.append((low, high))
        return joined

    def open_ended(self) -> tuple[tuple[int | None, int | None], ...]:
        """The intervals with None for `*`, as search keys have them."""
        return tuple((low or None, high or None) for low, high in self.intervals)


SAVED = SequenceSet((), is_saved=True)


def read_sequence_set(scanner: Scanner) -> SequenceSet:
    """sequence-set, or `$`."""
    if scanner.take(b"$"):
        return SAVED
    return parse_sequence_set(scanner.match(_SET, "a sequence set").group())


def parse_sequence_set(text: bytes) -> SequenceSet:
    """`text` as a sequence set."""
    return SequenceSet(tuple(_interval(part) for part in text.split(b",")))


def _interval(text: bytes) -> tuple[int, int]:
    low, colon, high = text.partition(b":")
    first = _number(low)
    return (first, _number(high)) if colon else (first, first)


def _number(text: bytes) -> int:
    if text == b"*":
        return STAR
    if not text.isdigit() or text.startswith(b"0") or len(text) > 10 or int(text) > MAX_UINT32:
        raise BadSyntax("Invalid sequence set")
    return int(text)


def format_numbers(numbers: Sequence[int]) -> bytes:
    """A sequence set of `numbers` in the given order, with runs of neighbours written as intervals."""
    parts: list[bytes] = []
    index, count = 0, len(numbers)
    while index < count:
        start = index
        while index + 1 < count and numbers[index + 1] == numbers[index] + 1:
            index += 1
        low, high = numbers[start], numbers[index]
        parts.append(b"%d" % low if low == high else b"%d:%d" % (low, high))
        index += 1
    return b",".join(parts)
