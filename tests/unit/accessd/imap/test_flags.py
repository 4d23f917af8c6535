"""Flags (RFC 3501 section 2.3.2)."""

import pytest

from accessd.imap.grammar.flags import format_flags, read_flag_list, read_store_flags
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.message.flags import DELETED, SEEN, Flags


def test_system_flags_in_any_case_and_keywords_as_written() -> None:
    flags = read_flag_list(Scanner(rb"(\seen \DELETED $Forwarded work)"))

    assert flags == Flags(SEEN | DELETED, frozenset({"$Forwarded", "work"}))


def test_store_takes_flags_without_parentheses() -> None:
    assert read_store_flags(Scanner(rb"\Seen a b")) == Flags(SEEN, frozenset({"a", "b"}))


@pytest.mark.parametrize(
    "text", [rb"(\Foo)", rb"(\Recent)", rb"(\Seen \recent)", rb"(\ Seen)", rb"(a%)", b"(" + b"k" * 200 + b")"]
)
def test_unknown_system_flags_and_bad_keywords_are_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_flag_list(Scanner(text))


def test_flags_are_written_in_a_steady_order() -> None:
    assert format_flags(SEEN | DELETED, ["b", "a"], recent=True) == rb"\Deleted \Seen a b \Recent"
    assert format_flags(0, ["a"]) == b"a"
    assert format_flags(0, recent=True) == rb"\Recent"
