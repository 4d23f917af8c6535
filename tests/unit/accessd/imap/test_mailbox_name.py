"""Modified UTF-7 (RFC 3501 section 5.1.3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap import response
from accessd.imap.enabled import CONDSTORE, REV2, UTF8
from accessd.imap.grammar.mailbox_name import canonical, decode, encode, read_mailbox
from accessd.imap.grammar.tokens import BadSyntax, Scanner


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


@pytest.mark.parametrize(
    "wire",
    [
        b"&Jjo",
        b"&Jjo!-",
        b"a&b",
        b"&AA-",
        b"\xff\xfe",
        b"&2D0-",
        # RFC 9051 appendix A.1: base64 where none is needed, null shifts, bits behind the last character.
        b"&AGE-",
        b"&AOkAIADp-",
        b"&AOk-&AOk-",
        b"&AOl-",
    ],
)
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


UTF8_MODES = pytest.mark.parametrize("modes", [UTF8, REV2, UTF8 | REV2 | CONDSTORE])


@UTF8_MODES
@pytest.mark.parametrize(
    ("wire", "text"),
    [
        ('"Entwürfe"'.encode(), "Entwürfe"),
        ("{9}\r\nEntwürfe".encode(), "Entwürfe"),
        (b"Entw&APw-rfe", "Entw&APw-rfe"),
        (b"R&D", "R&D"),
        (b"iNBOX", "INBOX"),
    ],
)
def test_who_enabled_utf8_writes_names_as_they_are(wire: bytes, text: str, modes: int) -> None:
    assert read_mailbox(Scanner(wire, modes=modes)) == text


@UTF8_MODES
@pytest.mark.parametrize(
    "wire", ["Entwürfe".encode(), b'"Entw\xfcrfe"', b"{1}\r\n\xfc", b'"\xed\xa0\x80"', b'"\xc0\x80"']
)
def test_atoms_stay_ascii_and_strings_must_be_utf8(wire: bytes, modes: int) -> None:
    """UTF8-2 to UTF8-4 of RFC 3629: no surrogates, no overlong forms."""
    with pytest.raises(BadSyntax):
        read_whole(Scanner(wire, modes=modes))


def read_whole(scanner: Scanner) -> str:
    name = read_mailbox(scanner)
    scanner.end()
    return name


def test_condstore_alone_changes_nothing_about_names() -> None:
    assert read_mailbox(Scanner(b"Entw&APw-rfe", modes=CONDSTORE)) == "Entwürfe"
    assert Scanner(b'"\xff"', modes=CONDSTORE).string() == b"\xff"


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r\n")))
def test_any_name_survives_in_utf8(text: str) -> None:
    """But CR, LF and NUL, which cannot stand in quotes, and which no mailbox has in its name."""
    assert read_mailbox(Scanner(response.mailbox(text, utf8=True), modes=UTF8)) == canonical(text)
