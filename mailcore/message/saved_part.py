"""A part of a message as something to save: its content, and a name and a type that are safe (used by the viewer)."""

import re
from dataclasses import dataclass

from mailcore.message.encoded_word import decode_header
from mailcore.message.file_name import safe_file_name
from mailcore.message.parameters import parameter, parameter_text, parse_disposition
from mailcore.message.section import find_part
from mailcore.message.structure import Part, parse_structure, walk
from mailcore.message.transfer import decode_transfer
from mailcore.message.wire import to_wire

_SAFE_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_PART_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,100}")


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something to save. number is the IMAP part number ("2.1"); size_bytes is of the decoded content,
    estimated."""

    number: str
    name: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Extracted:
    """One part, decoded, with a content type and a file name that are safe to put into HTTP headers."""

    content: bytes
    content_type: str
    name: str
    charset: str


def extract(data: bytes, number: str) -> Extracted | None:
    """The decoded content of the part with this IMAP number, None when there is none."""
    if not _PART_NUMBER.fullmatch(number):
        return None
    data = to_wire(data)
    part = find_part(parse_structure(data), tuple(map(int, number.split("."))))
    if part is None:
        return None
    charset = parameter(part.parameters, "charset") or b""
    return Extracted(
        content_of(data, part),
        _content_type(part),
        _file_name(part, number),
        charset.decode("ascii", "replace").lower(),
    )


def attachments_of(data: bytes, root: Part, shown: set[int], inline: set[str]) -> tuple[Attachment, ...]:
    """What is neither shown as text nor as a picture inside it. Of a message inside, only the message
    itself."""
    found = []
    inside: tuple[int, ...] = ()
    for path, part in walk(root):
        if part.is_multipart or part.header_start in shown or number_of(path) in inline:
            continue
        if inside and path[: len(inside)] == inside and len(path) > len(inside):
            continue
        inside = path if part.is_message else ()
        number = number_of(path)
        found.append(Attachment(number, _file_name(part, number), _content_type(part), _decoded_size(data, part)))
    return tuple(found)


def content_of(data: bytes, part: Part) -> bytes:
    """Without its transfer encoding."""
    return decode_transfer(data[part.body_start : part.body_end], part.encoding)


def proposed_name(part: Part) -> str | None:
    """The file name that the sender gives it, as it is."""
    value = part.headers.first(b"content-disposition")
    disposition = parse_disposition(value) if value else None
    name = parameter_text(disposition[1], "filename") if disposition is not None else None
    return name or parameter_text(part.parameters, "name")


def number_of(path: tuple[int, ...]) -> str:
    """As IMAP writes it."""
    return ".".join(map(str, path))


def _decoded_size(data: bytes, part: Part) -> int:
    if part.encoding != "base64":
        return part.size
    breaks = data.count(b"\r\n", part.body_start, part.body_end)
    return max(part.size - 2 * breaks, 0) * 3 // 4


def _file_name(part: Part, number: str) -> str:
    name = proposed_name(part)
    if name is None and part.is_message:
        subject = decode_header(part.children[0].headers.first(b"subject") or b"")
        name = f"{subject.replace('/', '-')}.eml" if subject.strip() else None
    return safe_file_name(name, _content_type(part), f"part-{number}")


def _content_type(part: Part) -> str:
    content_type = f"{part.type}/{part.subtype}"
    return content_type if _SAFE_TYPE.fullmatch(content_type) else "application/octet-stream"
