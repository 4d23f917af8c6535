"""The texts SEARCH compares: out of ENVELOPE, header and body, decoded and without case.

FROM, TO, CC, BCC and SUBJECT are of the ENVELOPE structure (RFC 3501 section 6.4.4), so the cached one answers them.
The day of SENTON and its kin is the one written in the Date field, whatever its zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from mailcore.message.casemap import casemap
from mailcore.message.charset import decode
from mailcore.message.date import parse_date
from mailcore.message.encoded_word import decode_header
from mailcore.message.headers import Headers
from mailcore.message.parameters import parameter
from mailcore.message.structure import Part, parse_structure
from mailcore.message.transfer import decode_transfer

_TOKEN = re.compile(rb'[ ]*(?:"((?:[^"\\]|\\.)*)"|\{(\d+)\}\r\n|(NIL)|([()]))', re.DOTALL)
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_DAY = re.compile(rb"\b(\d{1,2})[ -]+([A-Za-z]{3})[a-z]*[ -]+(\d{2,4})\b")
_WORDS = re.compile(r"[0-9A-Z]+")

# Position in the ENVELOPE.
ENVELOPE_FIELDS = {"subject": 1, "from": 2, "to": 5, "cc": 6, "bcc": 7}

Value = bytes | None | list["Value"]


def fold(text: str) -> str:
    """What two texts have in common that differ in case only: i;unicode-casemap (RFC 5051), as I18NLEVEL=1 asks."""
    return casemap(text)


def envelope_contains(envelope: bytes, field: str, wanted: str) -> bool:
    """Does the field of that name (lower case, one of ENVELOPE_FIELDS) contain `wanted` (folded)?"""
    if not _may_contain(envelope, wanted):
        return False
    position = ENVELOPE_FIELDS[field]
    return any(wanted in fold(text) for text in _texts(read_envelope(envelope, position + 1)[position]))


def envelope_texts(envelope: bytes) -> Iterator[str]:
    """The texts of all ENVELOPE_FIELDS."""
    values = read_envelope(envelope)
    for position in ENVELOPE_FIELDS.values():
        yield from _texts(values[position])


def sent_day(envelope: bytes) -> date | None:
    """The day in the Date field, as its sender wrote it."""
    value = read_envelope(envelope, 1)[0]
    found = _DAY.search(value) if isinstance(value, bytes) else None
    moment = parse_date(b"%b %b %b 00:00:00 +0000" % found.groups()) if found else None
    return moment.date() if moment else None


def read_envelope(envelope: bytes, most: int = 10) -> list[Value]:
    """The ten values of an ENVELOPE: bytes, None for NIL, lists. At least the first `most` of them are read."""
    stack: list[list[Value]] = [[]]
    position = 0
    while token := _TOKEN.match(envelope, position):
        quoted, length, nil, parenthesis = token.groups()
        position = token.end()
        if quoted is not None:
            stack[-1].append(_ESCAPED.sub(rb"\1", quoted) if b"\\" in quoted else quoted)
        elif length is not None:
            stack[-1].append(envelope[position : position + int(length)])
            position += int(length)
        elif nil is not None:
            stack[-1].append(None)
        elif parenthesis == b"(":
            stack.append([])
        elif len(stack) > 1:
            closed = stack.pop()
            stack[-1].append(closed)
        if len(stack) == 2 and len(stack[1]) == most:
            break
    values = stack[1] if len(stack) > 1 else stack[0][0] if stack[0] and isinstance(stack[0][0], list) else []
    return values + [None] * (10 - len(values))


def header_contains(headers: Headers, name: str, wanted: str) -> bool:
    """Does a field of that name contain `wanted` (folded)? "" asks only for the field."""
    values = headers.all(name.lower().encode("utf-8", "replace"))
    return any(wanted in fold(decode_header(value)) for value in values) if wanted else bool(values)


def body_contains(data: bytes, wanted: str) -> bool:
    """Does the text of some part contain `wanted` (folded)? `data` is in wire form."""
    return any(wanted in fold(text) for text in body_texts(data, parse_structure(data)))


def text_contains(data: bytes, wanted: str) -> bool:
    """Does the header, that of a part, or a body contain `wanted` (folded)?"""
    root = parse_structure(data)
    return any(wanted in fold(text) for text in header_texts(root)) or any(
        wanted in fold(text) for text in body_texts(data, root)
    )


def _may_contain(envelope: bytes, wanted: str) -> bool:
    """False if certainly not: a quick look that spares reading most envelopes."""
    if not wanted.isascii() or b"=?" in envelope or b"{" in envelope:
        return True
    upper = envelope.upper()
    return all(word.encode() in upper for word in _WORDS.findall(wanted))


def _texts(value: Value) -> Iterator[str]:
    """A text, or each address of a list."""
    if isinstance(value, bytes):
        yield decode_header(value)
        return
    for address in value or ():
        if isinstance(address, list) and len(address) == 4:
            name, _, local, domain = (decode_header(part) if isinstance(part, bytes) else "" for part in address)
            mailbox = f"{local}@{domain}" if domain else local
            yield f"{name} <{mailbox}>" if name else mailbox


def _parts(root: Part) -> Iterator[Part]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(reversed(part.children))


def header_texts(root: Part) -> Iterator[str]:
    """The fields of the header and of those of all parts."""
    for part in _parts(root):
        for name, value in part.headers:
            yield f"{decode(name)}: {decode_header(value)}"


def body_texts(data: bytes, root: Part) -> Iterator[str]:
    """The text of each part that has some, decoded."""
    for part in _parts(root):
        if part.type == "text":
            charset = (parameter(part.parameters, "charset") or b"").decode("ascii", "replace")
            yield decode(decode_transfer(data[part.body_start : part.body_end], part.encoding), charset)
        elif part.is_message:
            # The header of a message inside is text of the message around it.
            for child in part.children:
                yield "\r\n".join(f"{decode(name)}: {decode_header(value)}" for name, value in child.headers)
