"""BODY[section]: which bytes of a message a client means (RFC 3501 section 6.4.5, RFC 9051 section 6.4.5).

`Section` is the value the IMAP grammar fills; `locate` turns it into one range of wire offsets where that is
possible, `cut` into bytes. All offsets and sizes are of the wire form.
"""

import re
from dataclasses import dataclass

from mailcore.message.headers import header_end
from mailcore.message.structure import Part, parse_structure


@dataclass(frozen=True, slots=True)
class Section:
    """One section: part numbers, then what of that part.

    kind is "" (the part itself), "HEADER", "HEADER.FIELDS", "HEADER.FIELDS.NOT", "TEXT" or "MIME"; fields are
    the names for the two FIELDS kinds, in the client's spelling. `Section()` is the whole message: BODY[].
    """

    path: tuple[int, ...] = ()
    kind: str = ""
    fields: tuple[str, ...] = ()


# In front of every header line that does not continue a field.
_FIELD_START = re.compile(rb"(?<=\r\n)(?![ \t])")


def needs_structure(section: Section) -> bool:
    """False where the header's end alone tells the bytes, so that nobody parses a large message for its
    header."""
    return bool(section.path)


def cut(data: bytes, structure: Part | None, section: Section) -> bytes | None:
    """The bytes of `section` in a message in wire form; None (IMAP's NIL) when the message has no such part.

    `structure` may be None: it is parsed when the section needs it.
    """
    if structure is None and section.path:
        structure = parse_structure(data)
    body_start = header_end(data) if structure is None else structure.body_start
    found = _locate(len(data), body_start, structure, section)
    if found is None:
        return None
    block = data[found[0] : found[1]]
    if section.kind.startswith("HEADER.FIELDS"):
        return header_fields(block, section.fields, negate=section.kind.endswith(".NOT"))
    return block


def locate(structure: Part, section: Section) -> tuple[int, int] | None:
    """[start, end) of `section` in the wire form, for streaming; None when the message has no such part.

    For the HEADER.FIELDS kinds it is the range of the header the fields are to be taken from with
    `header_fields`.
    """
    return _locate(structure.body_end, structure.body_start, structure, section)


def header_fields(block: bytes, fields: tuple[str, ...], *, negate: bool = False) -> bytes:
    """Of a header section the fields named, or all but those, as they stand there, and an empty line at the
    end."""
    wanted = {name.encode("utf-8", "replace").lower() for name in fields}
    kept = []
    for field in _FIELD_START.split(block):
        name, colon, _ = field.partition(b":")
        if field in (b"", b"\r\n") or not (colon or negate):
            continue
        if (name.rstrip(b" \t").lower() in wanted) is not negate:
            kept.append(field if field.endswith(b"\r\n") else field + b"\r\n")
    kept.append(b"\r\n")
    return b"".join(kept)


def find_part(root: Part, path: tuple[int, ...]) -> Part | None:
    """The part with this number. Of a message that is not multipart, part 1 is the message's body."""
    part, is_whole_message = root, True
    for number in path:
        if part.is_message and not is_whole_message:
            part, is_whole_message = part.children[0], True
        if part.is_multipart:
            if not 1 <= number <= len(part.children):
                return None
            part = part.children[number - 1]
        elif number != 1 or not is_whole_message:
            return None
        is_whole_message = False
    return part


def _locate(size: int, body_start: int, root: Part | None, section: Section) -> tuple[int, int] | None:
    if not section.path:
        return _of_message(section.kind, 0, body_start, size)
    part = find_part(root, section.path) if root is not None else None
    if part is None:
        return None
    if section.kind == "":
        return part.body_start, part.body_end
    if section.kind == "MIME":
        return part.header_start, part.body_start
    if not part.is_message:
        return None
    message = part.children[0]
    return _of_message(section.kind, message.header_start, message.body_start, message.body_end)


def _of_message(kind: str, start: int, body_start: int, end: int) -> tuple[int, int] | None:
    if kind == "":
        return start, end
    if kind == "TEXT":
        return body_start, end
    return (start, body_start) if kind.startswith("HEADER") else None
