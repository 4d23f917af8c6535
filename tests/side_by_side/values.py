"""IMAP responses as values: what comes from the wire is read here and nowhere else (RFC 3501 section 9).

An atom becomes Atom, a quoted string or literal bytes, NIL None, a list a list. Nothing of accessd's grammar is used:
a mistake in that must not hide itself. More lenient than the ABNF, since two servers and their mistakes are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_LITERAL = re.compile(rb"~?\{(\d+)\}\r\n")
_ATOM_ENDS = frozenset(b' ()\r\n"')
STATES = ("OK", "NO", "BAD", "BYE", "PREAUTH")


class Atom(str):
    """A word, number, flag or section name that was not quoted."""

    __slots__ = ()


class Unreadable(Exception):
    """That is no IMAP response."""


@dataclass(slots=True)
class Response:
    """One response: its tag, "*" or "+"; for OK and its like the response code, for all others the values."""

    tag: str
    state: str = ""
    code: list[Any] = field(default_factory=list)
    text: bytes = b""
    values: list[Any] = field(default_factory=list)


def read_response(data: bytes) -> Response:
    """One whole response, its literals and the last CRLF included. Raises Unreadable."""
    tag, _, rest = data.partition(b" ")
    response = Response(tag.decode("utf-8", "replace").strip())
    word = rest.split(None, 1)[0].decode("ascii", "replace").upper() if rest.strip() else ""
    if response.tag == "+":
        response.text = rest.strip()
    elif word in STATES:
        response.state = word
        _read_state(response, rest.strip()[len(word) :].strip())
    else:
        response.values = Reader(rest).all_values()
    return response


def _read_state(response: Response, rest: bytes) -> None:
    if not rest.startswith(b"["):
        response.text = rest
        return
    reader = Reader(rest, position=1)
    response.code = reader.values_until(b"]")
    response.text = rest[reader.position :].strip()


class Reader:
    """A cursor over one response."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position

    def all_values(self) -> list[Any]:
        """All values up to the end of the response."""
        values = []
        while self._skip_blanks() != b"":
            values.append(self.value())
        return values

    def values_until(self, end: bytes) -> list[Any]:
        """The values before `end`, which is read too."""
        values = []
        while (mark := self._skip_blanks()) != end:
            if not mark:
                raise Unreadable(f"no {end!r} in {self.data[:200]!r}")
            values.append(self.value(end))
        self.position += 1
        return values

    def value(self, end: bytes = b"") -> Any:
        """One value."""
        mark = self.data[self.position : self.position + 1]
        if mark == b"(":
            self.position += 1
            return self.values_until(b")")
        if mark == b'"':
            return self._quoted()
        literal = _LITERAL.match(self.data, self.position)
        if literal:
            self.position = literal.end() + int(literal[1])
            return self.data[literal.end() : self.position]
        return self._atom(end)

    def _skip_blanks(self) -> bytes:
        while self.data[self.position : self.position + 1] in (b" ", b"\r", b"\n"):
            self.position += 1
        return self.data[self.position : self.position + 1]

    def _quoted(self) -> bytes:
        found, self.position = bytearray(), self.position + 1
        while (octet := self.data[self.position : self.position + 1]) != b'"':
            if octet == b"\\":
                self.position += 1
                octet = self.data[self.position : self.position + 1]
            if not octet:
                raise Unreadable(f"a string does not end: {self.data[:200]!r}")
            found += octet
            self.position += 1
        self.position += 1
        return bytes(found)

    def _atom(self, end: bytes) -> Atom | None:
        """Up to a blank or parenthesis, but BODY[HEADER.FIELDS (TO)] is one word."""
        start, depth = self.position, 0
        while self.position < len(self.data):
            octet = self.data[self.position]
            if not depth and (octet in _ATOM_ENDS or bytes([octet]) == end):
                break
            depth += (octet == 0x5B) - (octet == 0x5D)
            self.position += 1
        if self.position == start:
            raise Unreadable(f"at {self.data[start : start + 40]!r} in {self.data[:200]!r}")
        word = self.data[start : self.position].decode("utf-8", "replace")
        return None if word.upper() == "NIL" else Atom(word)
