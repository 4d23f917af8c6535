"""A message as people see it: addresses, the best text, safe HTML, attachments (used by the viewer).

Takes the whole message in either form and never raises.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from mailcore.message.address_list import MailAddress
from mailcore.message.bodies import MAX_TEXT, bodies_of, html_source, plain_text
from mailcore.message.charset import decode
from mailcore.message.date import parse_date
from mailcore.message.encoded_word import decode_header
from mailcore.message.headers import Headers
from mailcore.message.imap_envelope import address_fields
from mailcore.message.safe_html import sanitise
from mailcore.message.saved_part import Attachment, attachments_of, number_of
from mailcore.message.structure import Part, parse_structure, walk
from mailcore.message.wire import to_wire

PartUrl = Callable[[str], str]

_CID = re.compile(r"cid:([^\s\"'<>)]{1,500})", re.IGNORECASE)


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


def show(data: bytes, part_url: PartUrl, *, remote_allowed: bool = False) -> Display:
    """Everything the viewer shows. `part_url` gives the URL under which a part ("1.2") can be fetched."""
    data = to_wire(data)
    root = parse_structure(data)
    blocks, shown = bodies_of(data, root)
    source = html_source(blocks)
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
        text=plain_text(blocks)[:MAX_TEXT],
        html=safe.html,
        blocked_remote=safe.blocked_remote,
        attachments=attachments_of(data, root, shown, {number for cid, number in inline.items() if cid in referenced}),
    )


def decoded_headers(headers: Headers) -> tuple[tuple[str, str], ...]:
    """All fields in their order, decoded for reading."""
    return tuple((decode(name), decode_header(value)) for name, value in headers)


def _content_ids(root: Part) -> dict[str, str]:
    """Content-ID without brackets -> part number."""
    return {
        decode(value).strip().strip("<>"): number_of(path)
        for path, part in walk(root)
        if (value := part.headers.first(b"content-id")) and part.type == "image"
    }


def _cid_url(inline: dict[str, str], part_url: PartUrl, cid: str) -> str | None:
    number = inline.get(cid)
    return part_url(number) if number is not None else None


def _texts(addresses: list[MailAddress] | None) -> tuple[str, ...]:
    return tuple(address.text for address in addresses or () if address.is_mailbox)
