"""What IMAP4rev2 has taken out of the grammar stays in that of IMAP4rev1 (RFC 9051 appendix E)."""

import pytest

from accessd.imap.commands import PARSERS
from accessd.imap.enabled import CONDSTORE, REV2, UTF8
from accessd.imap.grammar.mailbox_name import Respelt, read_mailbox
from accessd.imap.grammar.tokens import BadSyntax, Scanner

GONE = [
    ("CHECK", b""),
    ("LSUB", b' "" *'),
    ("STATUS", b" INBOX (MESSAGES RECENT)"),
    ("LIST", b' "" * RETURN (STATUS (RECENT))'),
    ("SEARCH", b" NEW"),
    ("SEARCH", b" OR SEEN (NOT OLD)"),
    ("UID SEARCH", b" RECENT"),
    ("FETCH", b" 1 RFC822"),
    ("FETCH", b" 1 (UID RFC822.HEADER)"),
    ("UID FETCH", b" 1 RFC822.TEXT"),
]


def parse(name: str, arguments: bytes, modes: int) -> None:
    scanner = Scanner(arguments, modes=modes)
    PARSERS[name](scanner)
    scanner.end()


@pytest.mark.parametrize(("name", "arguments"), GONE)
def test_only_rev2_does_not_know_it_any_more(name: str, arguments: bytes) -> None:
    for modes in (0, CONDSTORE, UTF8):
        parse(name, arguments, modes)
    for modes in (REV2, REV2 | UTF8 | CONDSTORE):
        with pytest.raises(BadSyntax):
            parse(name, arguments, modes)


@pytest.mark.parametrize(
    ("name", "arguments"), [("FETCH", b" 1 RFC822.SIZE"), ("SEARCH", b" LARGER 9223372036854775807")]
)
def test_sizes_have_63_bits_and_stay(name: str, arguments: bytes) -> None:
    parse(name, arguments, REV2)


@pytest.mark.parametrize(
    ("wire", "name", "written"),
    [("inBox", "INBOX", "inBox"), ('"e\N{COMBINING ACUTE ACCENT}"', "é", "e\N{COMBINING ACUTE ACCENT}")],
)
def test_a_name_remembers_how_it_was_written(wire: str, name: str, written: str) -> None:
    found = read_mailbox(Scanner(wire.encode(), modes=REV2))

    assert found == name
    assert isinstance(found, Respelt)
    assert found.written == written


@pytest.mark.parametrize("wire", ["INBOX", '"é"', "Sent"])
def test_a_name_in_its_one_spelling_has_nothing_to_remember(wire: str) -> None:
    assert type(read_mailbox(Scanner(wire.encode(), modes=REV2))) is str
