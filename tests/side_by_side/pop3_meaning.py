"""What a POP3 answer means, without what servers are free to choose (RFC 1939 section 3, RFC 2449).

Left out: texts for people, what the implementation is called, the order of capabilities, and the unique ids themselves.
Of a unique id its shape is kept, and whether UIDL says the same of a message each time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

Meaning = dict[str, Any]
# Whose positive answer goes on over several lines, whatever their arguments; those of _LISTINGS do so without one.
_LONG = ("RETR", "TOP", "CAPA")
_LISTINGS = ("LIST", "UIDL", "AUTH", "LANG")
_CODE = re.compile(rb"-ERR \[([A-Z/-]+)\]")
_UNIQUE_ID = re.compile(r"[\x21-\x7e]{1,70}")


@dataclass
class Answer:
    """The first line, and of a long answer those that follow, as they came but without CRLF and the dot at the end."""

    first: bytes
    lines: list[bytes] | None = None

    @property
    def status(self) -> str:
        """+OK, -ERR, or + for a challenge."""
        return self.first.split(b" ")[0].decode("ascii", "replace")


def is_long(command: str, first: bytes) -> bool:
    """Whether more lines follow this first one."""
    word, _, argument = command.strip().partition(" ")
    if not first.startswith(b"+OK"):
        return False
    return word.upper() in _LONG or (word.upper() in _LISTINGS and not argument.strip())


def meaning_of(command: str, answer: Answer, unique_ids: dict[str, str]) -> Meaning:
    """One answer. `unique_ids` remembers what UIDL has said of which message, over all sessions of a dialogue."""
    word = command.strip().partition(" ")[0].upper()
    meaning: Meaning = {"status": answer.status}
    if code := _CODE.match(answer.first):
        meaning["code"] = code[1].decode()
    if answer.status == "+OK" and word in _READERS:
        meaning |= _READERS[word](answer, unique_ids)
    return meaning


def _words(answer: Answer) -> list[str]:
    return answer.first.decode("utf-8", "replace").split()[1:]


def _capabilities(answer: Answer, _unique_ids: dict[str, str]) -> Meaning:
    """By name; the arguments in any order."""
    found = (line.decode("ascii", "replace").split() for line in answer.lines or ())
    return {f"capability {name}": sorted(values) for name, *values in found if name != "IMPLEMENTATION"}


def _numbers(answer: Answer, _unique_ids: dict[str, str]) -> Meaning:
    """STAT: messages and octets."""
    return {"numbers": _words(answer)[:2]}


def _sizes(answer: Answer, _unique_ids: dict[str, str]) -> Meaning:
    """LIST: octets by message. Of one message the first line has them."""
    return {"sizes": dict(_pairs(answer))}


def _ids(answer: Answer, unique_ids: dict[str, str]) -> Meaning:
    """UIDL: for each message whether its id is one, nobody else's, and the one it had before."""
    return {"ids": {number: _judge(number, value, unique_ids) for number, value in _pairs(answer)}}


def _judge(number: str, value: str, unique_ids: dict[str, str]) -> str:
    if not _UNIQUE_ID.fullmatch(value):
        return "none"
    others = {other for message, other in unique_ids.items() if message != number}
    if value in others:
        return "somebody else's"
    return "the same" if unique_ids.setdefault(number, value) == value else "another"


def _text(answer: Answer, _unique_ids: dict[str, str]) -> Meaning:
    """RETR and TOP: what went over the wire, dots and all."""
    return {"text": b"\r\n".join(answer.lines or ())}


def _mechanisms(answer: Answer, _unique_ids: dict[str, str]) -> Meaning:
    return {f"mechanism {line.decode('ascii', 'replace')}": True for line in answer.lines or ()}


def _pairs(answer: Answer) -> list[tuple[str, str]]:
    """Message and what is said of it, of each line of a listing; or what the first line says of one."""
    lines = [answer.first.partition(b" ")[2]] if answer.lines is None else answer.lines
    return [(number, value) for number, _, value in (line.decode("utf-8", "replace").partition(" ") for line in lines)]


_READERS: dict[str, Any] = {
    "CAPA": _capabilities,
    "STAT": _numbers,
    "LIST": _sizes,
    "UIDL": _ids,
    "RETR": _text,
    "TOP": _text,
    "AUTH": _mechanisms,
}
