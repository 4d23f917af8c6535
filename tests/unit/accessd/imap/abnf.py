"""ABNF (RFC 5234) as a table: does a text follow a rule, and texts that do. For tests of the grammar.

Every way to match is followed, as sets of positions, so that ambiguous rules are no problem. Rules must not begin with
themselves. What ABNF cannot say is in TERMINALS: numbers of 32 and 63 bits, literals, days that exist.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import NamedTuple

MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".upper().split()
_TOKEN = re.compile(
    r'\s*(?:;[^\n]*|(?P<text>"[^"]*")|%x(?P<range>[0-9A-F]+(?:-[0-9A-F]+)?)|(?P<repeat>\d*\*\d*|\d+)'
    r"|(?P<name>[A-Za-z][A-Za-z0-9-]*)|(?P<mark>[()\[\]/=]))"
)
_RULE = re.compile(r"^([A-Za-z][A-Za-z0-9-]*) *=", re.MULTILINE)
_MOST_REPETITIONS = 4


class Node(NamedTuple):
    """`kind` says what `value` and `parts` are."""

    kind: str
    value: object = None
    parts: tuple[Node, ...] = ()


class Terminal(NamedTuple):
    """A rule in Python: the ends of what matches at a position, and a text that matches."""

    ends: Callable[[bytes, int], set[int]]
    make: Callable[[random.Random], bytes]


class Grammar:
    """The rules of one file."""

    def __init__(self, path: Path) -> None:
        text = re.sub(r";[^\n]*", "", path.read_text())
        starts = list(_RULE.finditer(text))
        self.rules: dict[str, Node] = {}
        for start, following in zip(starts, [*starts[1:], None], strict=True):
            body = text[start.end() : following.start() if following else len(text)]
            self.rules[start[1]] = _Parser(body).alternation()

    def matches(self, rule: str, text: bytes) -> bool:
        """Does all of `text` follow the rule?"""
        return len(text) in self._ends(Node("rule", rule), text, 0, {})

    def make(self, rule: str, rng: random.Random) -> bytes:
        """A text that follows the rule."""
        return self._make(Node("rule", rule), rng, 0)

    def _ends(self, node: Node, text: bytes, at: int, known: dict[tuple[int, int], set[int]]) -> set[int]:
        key = (id(node) if node.kind != "rule" else hash(node.value), at)
        if key not in known:
            known[key] = self._find(node, text, at, known)
        return known[key]

    def _find(self, node: Node, text: bytes, at: int, known: dict[tuple[int, int], set[int]]) -> set[int]:
        match node:
            case Node("text", bytes(value)):
                return {at + len(value)} if text[at : at + len(value)].upper() == value else set()
            case Node("range", (low, high)):
                return {at + 1} if at < len(text) and low <= text[at] <= high else set()
            case Node("rule", str(name)):
                if name in TERMINALS:
                    return TERMINALS[name].ends(text, at)
                return self._ends(self.rules[name], text, at, known)
            case Node("any", _, parts):
                return set().union(*(self._ends(part, text, at, known) for part in parts))
            case Node("all", _, parts):
                ends = {at}
                for part in parts:
                    ends = set().union(*(self._ends(part, text, end, known) for end in ends))
                return ends
            case Node("repeat", (low, high), (part,)):
                return self._repeated(part, low, high, text, at, known)
        raise AssertionError(node)

    def _repeated(
        self, part: Node, low: int, high: int | None, text: bytes, at: int, known: dict[tuple[int, int], set[int]]
    ) -> set[int]:
        found = {at} if low == 0 else set()
        ends, count = {at}, 0
        while ends and (high is None or count < high):
            ends = set().union(*(self._ends(part, text, end, known) for end in ends))
            count += 1
            if count >= low:
                if ends <= found:
                    break
                found |= ends
        return found

    def _make(self, node: Node, rng: random.Random, depth: int) -> bytes:
        match node:
            case Node("text", bytes(value)):
                return bytes(octet ^ 32 if chr(octet).isalpha() and rng.random() < 0.1 else octet for octet in value)
            case Node("range", (low, high)):
                return bytes([rng.choice([low, high, rng.randint(low, high)])])
            case Node("rule", str(name)):
                return TERMINALS[name].make(rng) if name in TERMINALS else self._make(self.rules[name], rng, depth + 1)
            case Node("any", _, parts):
                # Deep down the alternatives that come first, which do not lead back here.
                return self._make(rng.choice(parts[: 10 if depth > 12 else None]), rng, depth + 1)
            case Node("all", _, parts):
                return b"".join(self._make(part, rng, depth + 1) for part in parts)
            case Node("repeat", (low, high), (part,)):
                most = low + _MOST_REPETITIONS if high is None else high
                return b"".join(self._make(part, rng, depth + 1) for _ in range(rng.randint(low, min(most, low + 4))))
        raise AssertionError(node)


class _Parser:
    """The right side of a rule."""

    def __init__(self, text: str) -> None:
        self._tokens = [found for found in _TOKEN.finditer(text) if found.lastgroup]
        self._at = 0

    def alternation(self) -> Node:
        parts = [self._concatenation()]
        while self._next("mark") == "/":
            self._at += 1
            parts.append(self._concatenation())
        return parts[0] if len(parts) == 1 else Node("any", None, tuple(parts))

    def _concatenation(self) -> Node:
        parts = []
        while self._at < len(self._tokens) and self._next("mark") not in ("/", ")", "]"):
            parts.append(self._repetition())
        return parts[0] if len(parts) == 1 else Node("all", None, tuple(parts))

    def _repetition(self) -> Node:
        repeat = self._next("repeat")
        if repeat is None:
            return self._element()
        self._at += 1
        low, star, high = repeat.partition("*")
        bounds = (int(low or 0), int(high) if high else None) if star else (int(low), int(low))
        return Node("repeat", bounds, (self._element(),))

    def _element(self) -> Node:
        token = self._tokens[self._at]
        self._at += 1
        if token["text"]:
            return Node("text", token["text"][1:-1].encode().upper())
        if token["range"]:
            low, _, high = token["range"].partition("-")
            return Node("range", (int(low, 16), int(high or low, 16)))
        if token["name"]:
            return Node("rule", token["name"])
        inner = self.alternation()
        self._at += 1
        return inner if token["mark"] == "(" else Node("repeat", (0, 1), (inner,))

    def _next(self, group: str) -> str | None:
        return self._tokens[self._at][group] if self._at < len(self._tokens) else None


def _number(low: int, high: int) -> Terminal:
    def ends(text: bytes, at: int) -> set[int]:
        digits = re.compile(rb"\d*").match(text, at)
        assert digits is not None
        if low and text[at : at + 1] == b"0":
            return set()
        return {end for end in range(at + 1, digits.end() + 1) if low <= int(text[at:end]) <= high}

    return Terminal(ends, lambda rng: b"%d" % rng.choice([low, high, rng.randint(low, 20), rng.randint(low, high)]))


def _literal_ends(text: bytes, at: int) -> set[int]:
    found = re.compile(rb"\{(\d{1,10})\+?\}\r\n").match(text, at)
    if found is None:
        return set()
    end = found.end() + int(found[1])
    return {end} if end <= len(text) and b"\0" not in text[found.end() : end] else set()


def _make_literal(rng: random.Random) -> bytes:
    content = bytes(rng.choice([0x0D, 0x0A, 0x22, 0x28, 0x41, 0x61, 0xC3]) for _ in range(rng.randrange(4)))
    return b"{%d%b}\r\n%b" % (len(content), rng.choice([b"", b"+"]), content)


def _date_ends(text: bytes, at: int) -> set[int]:
    found = re.compile(rb'("?)(\d\d?)-([A-Za-z]{3})-(\d{4})\1').match(text, at)
    if found is None or found[3].decode().upper() not in MONTHS:
        return set()
    try:
        date(int(found[4]), MONTHS.index(found[3].decode().upper()) + 1, int(found[2]))
    except ValueError:
        return set()
    return {found.end()}


def _make_date(rng: random.Random) -> bytes:
    text = f"{rng.randint(1, 28)}-{rng.choice(MONTHS).title()}-{rng.randint(1970, 2100)}".encode()
    return rng.choice([text, b'"' + text + b'"'])


TERMINALS: dict[str, Terminal] = {
    "number": _number(0, 2**32 - 1),
    "number64": _number(0, 2**63 - 1),
    "nz-number": _number(1, 2**32 - 1),
    "nz-number64": _number(1, 2**63 - 1),
    "literal": Terminal(_literal_ends, _make_literal),
    "date": Terminal(_date_ends, _make_date),
}


@cache
def imap() -> Grammar:
    """The arguments of the commands of IMAP."""
    return Grammar(Path(__file__).with_name("imap.abnf"))
