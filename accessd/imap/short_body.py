"""BODY out of BODYSTRUCTURE: the same without extension data (RFC 3501 section 7.4.2). Pure.

The index keeps only the long form; the short one is cut out of it when an old client asks.
"""

from __future__ import annotations

import re

_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|\{(\d+)\}\r\n|[^ ()"{]+', re.DOTALL)
_FIELDS = 7
_TEXT_FIELDS = 8
_MESSAGE_FIELDS = 10


def without_extensions(structure: bytes) -> bytes:
    """BODY of a message whose BODYSTRUCTURE is `structure`."""
    return _body(structure, 0)[0]


def _body(text: bytes, start: int) -> tuple[bytes, int]:
    """The short form of the body that begins at `start`, and where it ends."""
    position = start + 1
    if text.startswith(b"(", position):
        children = []
        while text.startswith(b"(", position):
            child, position = _body(text, position)
            children.append(child)
        subtype_end = _skip(text, position + 1)
        return b"(%b %b)" % (b"".join(children), text[position + 1 : subtype_end]), _close(text, subtype_end)
    return _single(text, position)


def _single(text: bytes, position: int) -> tuple[bytes, int]:
    fields: list[bytes] = []
    wanted = _FIELDS
    while len(fields) < wanted:
        if wanted == _MESSAGE_FIELDS and len(fields) == _FIELDS + 1:
            field, end = _body(text, position)
        else:
            end = _skip(text, position)
            field = text[position:end]
        fields.append(field)
        position = end + 1
        if len(fields) == 2:
            wanted = _fields_of(fields[0].strip(b'"').lower())
        elif len(fields) == _FIELDS and wanted == _MESSAGE_FIELDS and not text.startswith(b"(", position):
            break  # no ENVELOPE: a message/partial, or message/global, of which nothing inside is told
    return b"(" + b" ".join(fields) + b")", _close(text, position - 1)


def _fields_of(kind: bytes) -> int:
    return {b"text": _TEXT_FIELDS, b"message": _MESSAGE_FIELDS}.get(kind, _FIELDS)


def _close(text: bytes, position: int) -> int:
    """Past the parenthesis that closes the body, over the extension data in front of it."""
    while text.startswith(b" ", position):
        position = _skip(text, position + 1)
    return position + 1


def _skip(text: bytes, position: int) -> int:
    """The end of the value at `position`: a string, an atom, or a list with all that is in it."""
    depth = 0
    while True:
        if text.startswith(b"(", position):
            depth += 1
            position += 1
        elif text.startswith(b")", position):
            depth -= 1
            position += 1
        elif text.startswith(b" ", position) and depth:
            position += 1
            continue
        else:
            position = _skip_token(text, position)
        if not depth:
            return position


def _skip_token(text: bytes, position: int) -> int:
    found = _TOKEN.match(text, position)
    if found is None:
        raise ValueError("not a body structure")
    return found.end() + int(found.group(1) or 0)
