"""RETURN options (RFC 4731, RFC 5182, RFC 9394)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.grammar.search_return import PartialRange, Returns, read_returns
from accessd.imap.grammar.tokens import BadSyntax, Scanner


@pytest.mark.parametrize(
    ("text", "returns"),
    [
        (b" ALL", None),
        (b" RETURN () ALL", Returns()),
        (b" return (min Max) ALL", Returns(frozenset({"MIN", "MAX"}))),
        (b" RETURN (PARTIAL 1:9) ALL", Returns(frozenset(), PartialRange(1, 9, text=b"1:9"))),
        (b" RETURN (SAVE PARTIAL -9:-1) ALL", Returns(frozenset({"SAVE"}), PartialRange(1, 9, True, b"-9:-1"))),
    ],
)
def test_options_are_read(text: bytes, returns: Returns | None) -> None:
    scanner = Scanner(text)

    assert read_returns(scanner) == returns
    assert scanner.data[scanner.position :] == b" ALL"


NO_OPTIONS = [
    b"ALL PARTIAL 1:2",
    b"PARTIAL 1:2 PARTIAL 1:2",
    b"PARTIAL -1:1",
    b"PARTIAL 0:1",
    b"PARTIAL 1:4294967296",
    b"PARTIAL",
    b"NONSENSE",
    b"MIN ",
    b" MIN",
]


@pytest.mark.parametrize("options", NO_OPTIONS)
def test_what_is_no_option(options: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_returns(Scanner(b" RETURN (" + options + b") ALL"))


@given(st.integers(1, 12), st.integers(1, 12), st.booleans(), st.integers(0, 10))
def test_a_range_from_the_end_is_one_of_the_list_turned_around(low: int, high: int, from_end: bool, count: int) -> None:
    low, high = sorted((low, high))
    results = list(range(count))
    turned = results[::-1] if from_end else results

    assert PartialRange(low, high, from_end).of(results) == sorted(turned[low - 1 : high])


@pytest.mark.parametrize(
    ("options", "partial", "saved"),
    [
        ({"SAVE"}, None, [1, 2, 3, 4]),
        ({"SAVE", "MIN"}, None, [1]),
        ({"SAVE", "MAX"}, None, [4]),
        ({"SAVE", "MIN", "MAX"}, None, [1, 4]),
        ({"SAVE", "MIN", "COUNT"}, None, [1, 2, 3, 4]),
        ({"SAVE", "MAX", "ALL"}, None, [1, 2, 3, 4]),
        ({"SAVE"}, PartialRange(2, 3), [2, 3]),
        ({"SAVE", "MIN"}, PartialRange(2, 3), [1, 2, 3]),
        ({"SAVE", "MAX"}, PartialRange(1, 1), [1, 4]),
        ({"SAVE", "COUNT"}, PartialRange(1, 1), [1, 2, 3, 4]),
    ],
)
def test_what_is_saved(options: set[str], partial: PartialRange | None, saved: list[int]) -> None:
    assert Returns(frozenset(options), partial).of([1, 2, 3, 4]) == saved
    assert Returns(frozenset(options), partial).of([]) == []
