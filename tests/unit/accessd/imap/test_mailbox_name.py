"""Modified UTF-7 (RFC 3501 section 5.1.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.grammar.mailbox_name import canonical, decode, encode
from accessd.imap.grammar.tokens import BadSyntax


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (b"~peter/mail/&U,BTFw-/&ZeVnLIqe-", "~peter/mail/台北/日本語"),
        (b"Entw&APw-rfe", "Entwürfe"),
        (b"R&-D", "R&D"),
        (b"&2D3eAA-", "\N{GRINNING FACE}"),
        (b"plain name", "plain name"),
    ],
)
def test_both_directions(wire: bytes, text: str) -> None:
    assert decode(wire) == text
    assert encode(text) == wire


@pytest.mark.parametrize("wire", [b"&Jjo", b"&Jjo!-", b"a&b", b"&AA-", b"\xff\xfe", b"&2D0-"])
def test_broken_names_are_refused(wire: bytes) -> None:
    with pytest.raises(BadSyntax):
        decode(wire)


def test_unencoded_utf8_is_understood() -> None:
    assert decode("Entwürfe".encode()) == "Entwürfe"


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_any_name_survives(text: str) -> None:
    wire = encode(text)

    assert wire.isascii()
    assert decode(wire) == text


@pytest.mark.parametrize(
    ("name", "expected"),
    [("inbox", "INBOX"), ("InBox/a", "INBOX/a"), ("Inboxes", "Inboxes"), ("a/inbox", "a/inbox")],
)
def test_inbox_is_one_mailbox_in_any_case(name: str, expected: str) -> None:
    assert canonical(name) == expected
