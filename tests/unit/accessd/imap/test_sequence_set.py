"""Sequence sets (RFC 3501 section 9)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.grammar.sequence_set import format_numbers, parse_sequence_set
from accessd.imap.grammar.tokens import BadSyntax


@pytest.mark.parametrize(
    ("text", "largest", "intervals"),
    [
        (b"2,4:7,9,12:*", 15, [(2, 2), (4, 7), (9, 9), (12, 15)]),
        (b"*:4,5:7", 10, [(4, 10)]),
        (b"*", 3, [(3, 3)]),
        (b"7:3", 10, [(3, 7)]),
        (b"1:*", 1, [(1, 1)]),
        (b"559:*", 20, [(20, 559)]),
        (b"1,2,3,5", 9, [(1, 3), (5, 5)]),
    ],
)
def test_intervals_are_ordered_and_joined(text: bytes, largest: int, intervals: list[tuple[int, int]]) -> None:
    assert parse_sequence_set(text).resolve(largest) == intervals


@pytest.mark.parametrize("text", [b"", b"0", b"1,", b",1", b"1:", b"1:2:3", b"4294967296", b"**", b"1::2"])
def test_what_is_no_sequence_set_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        parse_sequence_set(text)


@given(st.lists(st.integers(1, 300), min_size=1))
def test_numbers_written_as_a_set_read_back(numbers: list[int]) -> None:
    ends = parse_sequence_set(format_numbers(numbers)).intervals

    assert [number for low, high in ends for number in range(low, high + 1)] == numbers
