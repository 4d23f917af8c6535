"""Reads the tokens of RFC 3501 section 9 from one complete command: atoms, strings, numbers, lists.

A command arrives here whole, its literals inline as `{n}` CRLF and n octets, just as it came over the wire.
Every method either consumes exactly what it names or raises `BadSyntax`; nothing is skipped silently.
"""

import re
from collections.abc import Callable
from typing import TypeVar

from accessd.imap.enabled import REV2, UTF8

T = TypeVar("T")

_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_LIST_MAILBOX = re.compile(rb'[^\x00-\x20\x7f-\xff(){"\\]+')
_QUOTED = re.compile(rb'"((?:[^"\\\r\n\x00]|\\["\\])*)"')
_ESCAPED = re.compile(rb'\\(["\\])')
_LITERAL = re.compile(rb"\{(\d{1,10})\+?\}\r\n")
_NUMBER = re.compile(rb"\d{1,19}")

MAX_UINT32 = 2**32 - 1
MAX_UINT63 = 2**63 - 1


class BadSyntax(ValueError):
    """The command does not follow the grammar; the text may be shown to the client."""

    status = "BAD"
    code = b""


class LimitReached(BadSyntax):
    """More of something than one command may have."""

    status = "NO"
    code = b"LIMIT"


class Scanner:
    """A position in the octets of one command."""

    __slots__ = ("data", "modes", "position")

    def __init__(self, data: bytes, position: int = 0, *, modes: int = 0) -> None:
        self.data = data
        self.position = position
        self.modes = modes
        """What the client has enabled: bits of accessd.imap.enabled."""

    @property
    def utf8(self) -> bool:
        """Are quoted strings UTF-8, and mailbox names not modified UTF-7 (RFC 6855 section 3, RFC 9051 section 5.1)?"""
        return bool(self.modes & (UTF8 | REV2))

    @property
    def rev2(self) -> bool:
        """Is the grammar that of RFC 9051?"""
        return bool(self.modes & REV2)

    def at_end(self) -> bool:
        """Has everything been read?"""
        return self.position >= len(self.data)

    def next_is(self, text: bytes) -> bool:
        """Does `text` come next? Reads nothing."""
        return self.data.startswith(text, self.position)

    def take(self, text: bytes) -> bool:
        """Read `text` if it comes next."""
        if not self.data.startswith(text, self.position):
            return False
        self.position += len(text)
        return True

    def expect(self, text: bytes, what: str = "") -> None:
        """Read `text`, which must come next."""
        if not self.take(text):
            raise BadSyntax(f"Expected {what or text.decode('ascii')}")

    def space(self) -> None:
        """Read the one space between two arguments."""
        self.expect(b" ", "a space")

    def end(self) -> None:
        """Nothing may follow."""
        if not self.at_end():
            raise BadSyntax("Unexpected text after the arguments")

    def match(self, pattern: re.Pattern[bytes], what: str) -> re.Match[bytes]:
        """Read what `pattern` matches here."""
        found = pattern.match(self.data, self.position)
        if found is None:
            raise BadSyntax(f"Expected {what}")
        self.position = found.end()
        return found

    def atom(self) -> bytes:
        """atom = 1*ATOM-CHAR."""
        return self.match(_ATOM, "an atom").group()

    def keyword(self) -> str:
        """An atom that is a word of the protocol: case does not matter."""
        return self.atom().decode("ascii").upper()

    def number(self, largest: int = MAX_UINT32) -> int:
        """number, at most `largest`."""
        value = int(self.match(_NUMBER, "a number").group())
        if value > largest:
            raise BadSyntax("Number too large")
        return value

    def nonzero(self, largest: int = MAX_UINT32) -> int:
        """nz-number: its first digit is no zero either."""
        if self.next_is(b"0"):
            raise BadSyntax("Zero is not allowed here")
        return self.number(largest)

    def string(self) -> bytes:
        """string = quoted / literal."""
        if self.next_is(b'"'):
            inner = self.match(_QUOTED, "a quoted string").group(1)
            if self.modes and self.utf8:
                _check_utf8(inner)
            return _ESCAPED.sub(rb"\1", inner) if b"\\" in inner else inner
        size = int(self.match(_LITERAL, "a string").group(1))
        start, end = self.position, self.position + size
        if end > len(self.data):
            raise BadSyntax("Incomplete literal")
        self.position = end
        value = self.data[start:end]
        if b"\0" in value:
            raise BadSyntax("NUL in a literal")
        return value

    def at_string(self) -> bool:
        """Does a quoted string or literal come next?"""
        return self.next_is(b'"') or self.next_is(b"{")

    def astring(self) -> bytes:
        """astring = 1*ASTRING-CHAR / string."""
        return self.string() if self.at_string() else self.match(_ASTRING, "an atom or string").group()

    def nstring(self) -> bytes | None:
        """nstring = string / nil."""
        if self.at_string():
            return self.string()
        if self.keyword() != "NIL":
            raise BadSyntax("Expected a string or NIL")
        return None

    def list_mailbox(self) -> bytes:
        """list-mailbox: a mailbox pattern, in which % and * may stand unquoted."""
        return self.string() if self.at_string() else self.match(_LIST_MAILBOX, "a mailbox pattern").group()

    def parenthesised(self, item: Callable[["Scanner"], T], *, empty: bool = False) -> list[T]:
        """A list in parentheses: items with one space between; an empty one only where allowed."""
        self.expect(b"(", "a list")
        if empty and self.take(b")"):
            return []
        items = [item(self)]
        while not self.take(b")"):
            self.space()
            items.append(item(self))
        return items


def _check_utf8(quoted: bytes) -> None:
    """UTF8-2 to UTF8-4 are the only octets above 127 that may stand between quotes (RFC 6855 section 3)."""
    try:
        quoted.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("A quoted string is not UTF-8") from None
