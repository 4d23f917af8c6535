"""GETMETADATA and SETMETADATA: text to values (RFC 5464 section 5)."""

import pytest

from accessd.imap.grammar.metadata import GetMetadata, SetMetadata, get_metadata, set_metadata
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.metadata.entries import INFINITY, Entry

COMMENT, OWN = Entry(private=False, name="/comment"), Entry(private=True, name="/comment")


def read(parse, text: bytes):
    scanner = Scanner(text)
    command = parse(scanner)
    scanner.end()
    return command


@pytest.mark.parametrize(
    ("text", "command"),
    [
        (b' "" /shared/comment', GetMetadata("", (COMMENT,))),
        (b' "INBOX" (/shared/comment /private/comment)', GetMetadata("INBOX", (COMMENT, OWN))),
        (b" (MAXSIZE 1024) INBOX (/Shared/Comment)", GetMetadata("INBOX", (COMMENT,), max_size=1024)),
        (b' "INBOX" (MAXSIZE 1024) (/shared/comment)', GetMetadata("INBOX", (COMMENT,), max_size=1024)),
        (b' (DEPTH 1) "INBOX" (/private/comment)', GetMetadata("INBOX", (OWN,), depth=1)),
        (
            b' (DEPTH infinity MAXSIZE 5) "" "/shared"',
            GetMetadata("", (Entry(private=False, name=""),), max_size=5, depth=INFINITY),
        ),
    ],
)
def test_get(text, command):
    assert read(get_metadata, text) == command


@pytest.mark.parametrize(
    "text",
    [
        b" INBOX /comment",
        b" INBOX /shared/a//b",
        b" INBOX /shared/a/",
        b" INBOX shared/comment",
        b' INBOX "/shared/a*"',
        b' INBOX "/shared/a%"',
        b' INBOX "/shared/a\x01b"',
        b" INBOX ()",
        b" (DEPTH 2) INBOX /shared/comment",
        b" (SIZE 2) INBOX /shared/comment",
        b" INBOX /shared/" + b"x" * 255,
        b" INBOX",
    ],
)
def test_what_cannot_be_asked(text):
    with pytest.raises(BadSyntax):
        read(get_metadata, text)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        (b' INBOX (/private/comment "My comment")', ((OWN, b"My comment"),)),
        (b" INBOX (/private/comment NIL)", ((OWN, None),)),
        (b' INBOX (/private/comment "NIL" /shared/comment {2}\r\nab)', ((OWN, b"NIL"), (COMMENT, b"ab"))),
        (b" INBOX (/private/comment ~{3+}\r\na\0b)", ((OWN, b"a\0b"),)),
        (b' INBOX (/private/comment "")', ((OWN, b""),)),
    ],
)
def test_set(text, values):
    assert read(set_metadata, text) == SetMetadata("INBOX", values)


@pytest.mark.parametrize(
    "text",
    [
        b" INBOX ()",
        b' INBOX (/private "x")',
        b' INBOX (/private/a "x" /PRIVATE/A "y")',
        b" INBOX (/private/a)",
        b" INBOX (/private/a ~{9}\r\nx)",
        b' INBOX /private/a "x"',
    ],
)
def test_what_cannot_be_set(text):
    with pytest.raises(BadSyntax):
        read(set_metadata, text)


@pytest.mark.parametrize(
    ("asked", "entry", "depth", "covers"),
    [
        ("/a", "/a", 0, True),
        ("/a", "/a/b", 0, False),
        ("/a", "/a/b", 1, True),
        ("/a", "/a/b/c", 1, False),
        ("/a", "/a/b/c", INFINITY, True),
        ("/a", "/ab", INFINITY, False),
        ("", "/a", 1, True),
    ],
)
def test_depth(asked, entry, depth, covers):
    assert Entry(private=True, name=asked).covers(Entry(private=True, name=entry), depth) is covers
    assert not Entry(private=False, name=asked).covers(Entry(private=True, name=entry), depth)
