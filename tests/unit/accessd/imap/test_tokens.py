"""Tokens of RFC 3501 section 9."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap import response
from accessd.imap.grammar.tokens import BadSyntax, Scanner


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"INBOX", b"INBOX"),
        (b"a]b", b"a]b"),
        (b'"two words"', b"two words"),
        (rb'"a \"quote\" and \\"', rb'a "quote" and ' + b"\\"),
        (b"{5}\r\na\r\nb!", b"a\r\nb!"),
        (b"{3+}\r\nabc", b"abc"),
        (b'""', b""),
    ],
)
def test_an_astring_is_an_atom_a_quoted_string_or_a_literal(text: bytes, value: bytes) -> None:
    scanner = Scanner(text)

    assert scanner.astring() == value
    assert scanner.at_end()


@pytest.mark.parametrize(
    "text",
    [b"", b" x", b"(", b'"open', b'"line\r\n"', rb'"bad \escape"', b"{5}\r\nabc", b"{3}abc", b"{1}\r\n\0", b"\xe4"],
)
def test_what_is_no_astring_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        Scanner(text).astring()


def test_an_atom_ends_before_a_bracket_but_an_astring_does_not() -> None:
    scanner = Scanner(b"a]b")

    assert scanner.atom() == b"a"
    assert scanner.astring() == b"]b"


def test_nil_is_nothing_but_the_quoted_word_is_text() -> None:
    assert Scanner(b"nil").nstring() is None
    assert Scanner(b'"nil"').nstring() == b"nil"


def test_a_list_has_exactly_one_space_between_items() -> None:
    assert Scanner(b"(a b)").parenthesised(Scanner.keyword) == ["A", "B"]
    assert Scanner(b"()").parenthesised(Scanner.keyword, empty=True) == []
    for text in (b"(a  b)", b"( a)", b"(a", b"()"):
        with pytest.raises(BadSyntax):
            Scanner(text).parenthesised(Scanner.keyword)


@pytest.mark.parametrize("text", [b"4294967296", b"9999999999999999999", b"x", b"-1"])
def test_numbers_are_32_bits(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        Scanner(text).number()


@given(st.binary().filter(lambda value: b"\0" not in value))
def test_what_the_server_writes_as_a_string_reads_back(value: bytes) -> None:
    assert Scanner(response.astring(value)).astring() == value
    assert Scanner(response.nstring(value)).nstring() == value
