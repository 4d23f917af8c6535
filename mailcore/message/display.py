"""A message as people see it: addresses, the best text, safe HTML, attachments (used by the viewer).

Takes the whole message in either form and never raises. Which of several bodies is shown follows RFC 2046
section 5.1: of alternatives the richest, of related parts the root, of mixed ones all that is text and no
attachment.
"""

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from mailcore.message.address_list import MailAddress
from mailcore.message.charset import decode
from mailcore.message.date import parse_date
from mailcore.message.encoded_word import decode_header
from mailcore.message.file_name import safe_file_name
from mailcore.message.headers import Headers
from mailcore.message.imap_envelope import address_fields
from mailcore.message.parameters import parameter, parameter_text, parse_disposition
from mailcore.message.safe_html import sanitise, to_text
from mailcore.message.section import find_part
from mailcore.message.structure import Part, parse_structure, walk
from mailcore.message.transfer import decode_transfer
from mailcore.message.wire import to_wire

MAX_TEXT = 1_000_000

PartUrl = Callable[[str], str]
_BLOCK = tuple[str, str]  # ("plain" | "html", text)

_SAFE_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")
_PART_NUMBER = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,6}){0,100}")
_CID = re.compile(r"cid:([^\s\"'<>)]{1,500})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something to save. number is the IMAP part number ("2.1"); size_bytes is of the decoded content,
    estimated."""

    number: str
    name: str
    content_type: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Display:
    """text is always there (made from the HTML if need be); html is sanitised and "" when the message has
    none."""

    subject: str
    senders: tuple[str, ...]
    to: tuple[str, ...]
    cc: tuple[str, ...]
    reply_to: tuple[str, ...]
    sent_at: datetime | None
    headers: tuple[tuple[str, str], ...]
    text: str
    html: str
    blocked_remote: int
    attachments: tuple[Attachment, ...]


@dataclass(frozen=True, slots=True)
class Extracted:
    """One part, decoded, with a content type and a file name that are safe to put into HTTP headers."""

    content: bytes
    content_type: str
    name: str
    charset: str


def show(data: bytes, part_url: PartUrl, *, remote_allowed: bool = False) -> Display:
    """Everything the viewer shows. `part_url` gives the URL under which a part ("1.2") can be fetched."""
    data = to_wire(data)
    root = parse_structure(data)
    blocks, shown = _bodies(data, root)
    source = _html_source(blocks)
    inline = _content_ids(root)
    safe = sanitise(source, partial(_cid_url, inline, part_url), remote_allowed=remote_allowed)
    referenced = set(_CID.findall(source))
    addresses = address_fields(root.headers)
    return Display(
        subject=decode_header(root.headers.first(b"subject") or b""),
        senders=_texts(addresses.get(b"from")),
        to=_texts(addresses.get(b"to")),
        cc=_texts(addresses.get(b"cc")),
        reply_to=_texts(addresses.get(b"reply-to")),
        sent_at=parse_date(root.headers.first(b"date") or b""),
        headers=decoded_headers(root.headers),
        text=_plain_text(blocks)[:MAX_TEXT],
        html=safe.html,
        blocked_remote=safe.blocked_remote,
        attachments=_attachments(data, root, shown, {number for cid, number in inline.items() if cid in referenced}),
    )


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
        _content(data, part), _content_type(part), _file_name(part, number), charset.decode("ascii", "replace").lower()
    )


def decoded_headers(headers: Headers) -> tuple[tuple[str, str], ...]:
    """All fields in their order, decoded for reading."""
    return tuple((decode(name), decode_header(value)) for name, value in headers)


def _bodies(data: bytes, root: Part) -> tuple[list[_BLOCK], set[int]]:
    shown: set[int] = set()
    return _collect(data, root, shown), shown


def _collect(data: bytes, part: Part, shown: set[int]) -> list[_BLOCK]:
    """The blocks of text a part consists of; the header offsets of the parts taken go into `shown`."""
    if part.is_multipart:
        return _collect_multipart(data, part, shown)
    if part.is_message or part.type != "text" or _is_offered(part):
        return []
    shown.add(part.header_start)
    charset = (parameter(part.parameters, "charset") or b"").decode("ascii", "replace")
    text = decode(_content(data, part), charset)[: 2 * MAX_TEXT].replace("\r\n", "\n")
    return [("html" if part.subtype == "html" else "plain", text)]


def _collect_multipart(data: bytes, part: Part, shown: set[int]) -> list[_BLOCK]:
    if not part.children:
        return [("plain", decode(data[part.body_start : part.body_end]).replace("\r\n", "\n")[:MAX_TEXT])]
    if part.subtype == "related":
        return _collect(data, part.children[0], shown)
    if part.subtype == "alternative":
        choices = [blocks for child in part.children if (blocks := _collect(data, child, shown))]
        rich = [blocks for blocks in choices if any(kind == "html" for kind, _ in blocks)]
        plain = [blocks for blocks in choices if all(kind == "plain" for kind, _ in blocks)]
        return _alternative(rich[-1] if rich else [], plain[0] if plain else [])
    return [block for child in part.children for block in _collect(data, child, shown)]


def _alternative(rich: list[_BLOCK], plain: list[_BLOCK]) -> list[_BLOCK]:
    """Both are kept: the HTML for the frame, marked with the text that stands for it."""
    if rich and plain:
        return [("html", "\n".join(text for _, text in _as_html(rich))), ("instead", "\n".join(t for _, t in plain))]
    return rich or plain


def _as_html(blocks: list[_BLOCK]) -> list[_BLOCK]:
    return [
        ("html", text if kind == "html" else f"<pre>{html.escape(text)}</pre>")
        for kind, text in blocks
        if kind != "instead"
    ]


def _html_source(blocks: list[_BLOCK]) -> str:
    if not any(kind == "html" for kind, _ in blocks):
        return ""
    return "\n".join(text for _, text in _as_html(blocks))


def _plain_text(blocks: list[_BLOCK]) -> str:
    """Text blocks as they are, HTML blocks by their own alternative, or else by their text."""
    texts: list[str] = []
    for index, (kind, text) in enumerate(blocks):
        if kind == "html":
            if index + 1 == len(blocks) or blocks[index + 1][0] != "instead":
                texts.append(to_text(text))
        else:
            texts.append(text)
    return "\n".join(texts)


def _is_offered(part: Part) -> bool:
    """Text that is meant to be saved, not read in place."""
    value = part.headers.first(b"content-disposition")
    disposition = parse_disposition(value) if value else None
    if disposition is not None and disposition[0] == "attachment":
        return True
    return part.subtype not in ("plain", "html", "enriched", "richtext") and _proposed_name(part) is not None


def _content(data: bytes, part: Part) -> bytes:
    return decode_transfer(data[part.body_start : part.body_end], part.encoding)


def _content_ids(root: Part) -> dict[str, str]:
    """Content-ID without brackets -> part number."""
    return {
        decode(value).strip().strip("<>"): _number(path)
        for path, part in walk(root)
        if (value := part.headers.first(b"content-id")) and part.type == "image"
    }


def _cid_url(inline: dict[str, str], part_url: PartUrl, cid: str) -> str | None:
    number = inline.get(cid)
    return part_url(number) if number is not None else None


def _attachments(data: bytes, root: Part, shown: set[int], inline: set[str]) -> tuple[Attachment, ...]:
    """What is neither shown as text nor as a picture inside it. Of a message inside, only the message
    itself."""
    found = []
    inside: tuple[int, ...] = ()
    for path, part in walk(root):
        if part.is_multipart or part.header_start in shown or _number(path) in inline:
            continue
        if inside and path[: len(inside)] == inside and len(path) > len(inside):
            continue
        inside = path if part.is_message else ()
        number = _number(path)
        found.append(Attachment(number, _file_name(part, number), _content_type(part), _decoded_size(data, part)))
    return tuple(found)


def _decoded_size(data: bytes, part: Part) -> int:
    if part.encoding != "base64":
        return part.size
    breaks = data.count(b"\r\n", part.body_start, part.body_end)
    return max(part.size - 2 * breaks, 0) * 3 // 4


def _file_name(part: Part, number: str) -> str:
    name = _proposed_name(part)
    if name is None and part.is_message:
        subject = decode_header(part.children[0].headers.first(b"subject") or b"")
        name = f"{subject.replace('/', '-')}.eml" if subject.strip() else None
    return safe_file_name(name, _content_type(part), f"part-{number}")


def _proposed_name(part: Part) -> str | None:
    value = part.headers.first(b"content-disposition")
    disposition = parse_disposition(value) if value else None
    name = parameter_text(disposition[1], "filename") if disposition is not None else None
    return name or parameter_text(part.parameters, "name")


def _content_type(part: Part) -> str:
    content_type = f"{part.type}/{part.subtype}"
    return content_type if _SAFE_TYPE.fullmatch(content_type) else "application/octet-stream"


def _texts(addresses: list[MailAddress] | None) -> tuple[str, ...]:
    return tuple(address.text for address in addresses or () if address.is_mailbox)


def _number(path: tuple[int, ...]) -> str:
    return ".".join(map(str, path))
