"""What the index remembers of a message, read in one pass: the cache columns of the `message` table.

`summarise` never raises, whatever the bytes are, and its IMAP text is always valid. Texts fit PostgreSQL: no
NUL, no surrogates, no control characters, and short enough for an index.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from mailcore.message.address_list import MailAddress
from mailcore.message.body_structure import body_structure
from mailcore.message.date import parse_date
from mailcore.message.encoded_word import decode_header
from mailcore.message.headers import Headers
from mailcore.message.imap_envelope import address_fields, envelope_with
from mailcore.message.message_id import thread_refs
from mailcore.message.parameters import parameter_text, parse_disposition
from mailcore.message.structure import Part, parse_structure
from mailcore.message.wire import to_wire

MAX_SUBJECT = 1_000
MAX_PEOPLE = 2_000
# A B-tree entry of PostgreSQL holds 2,704 bytes; a character may take four.
MAX_MESSAGE_ID = 600


@dataclass(frozen=True, slots=True)
class Summary:
    """envelope and body_structure are IMAP response text; the rest is decoded for people.

    sender is the first From address ("Ann <ann@example.org>"), recipients all of To and Cc with ", " between
    them; message_id keeps its angle brackets; sent_at is in UTC, None when the message does not say. thread_refs are
    hashes: see mailcore.message.message_id.
    """

    envelope: bytes
    body_structure: bytes
    subject: str
    sender: str
    recipients: str
    sent_at: datetime | None
    message_id: str
    has_attachments: bool
    thread_refs: bytes


def summarise(data: bytes) -> Summary:
    """The summary of a whole message, in wire or disk form."""
    return summarise_structure(parse_structure(to_wire(data)))


def summarise_structure(root: Part) -> Summary:
    """`summarise` for a caller that has the part tree already."""
    headers = root.headers
    addresses = address_fields(headers)
    senders = addresses.get(b"from") or addresses.get(b"sender") or []
    return Summary(
        envelope=envelope_with(headers, addresses),
        body_structure=body_structure(root),
        subject=decode_header(headers.first(b"subject") or b"")[:MAX_SUBJECT],
        sender=_people(senders[:1], 1),
        recipients=_people((*addresses.get(b"to", ()), *addresses.get(b"cc", ())), MAX_PEOPLE),
        sent_at=_sent_at(headers),
        message_id=decode_header(headers.first(b"message-id") or b"")[:MAX_MESSAGE_ID],
        has_attachments=has_attachments(root),
        thread_refs=thread_refs(headers),
    )


def _sent_at(headers: Headers) -> datetime | None:
    value = headers.first(b"date")
    return parse_date(value) if value else None


def _people(addresses: Iterable[MailAddress], enough: int) -> str:
    """Names and addresses with commas between them, no more than MAX_PEOPLE characters."""
    texts: list[str] = []
    length = 0
    for address in addresses:
        if not address.is_mailbox:
            continue
        texts.append(address.text)
        length += len(texts[-1]) + 2
        if length > MAX_PEOPLE or len(texts) >= enough:
            break
    return ", ".join(texts)[:MAX_PEOPLE]


def has_attachments(part: Part) -> bool:
    """Does a person find something to save in it? Signatures and pictures shown inside the text do not
    count."""
    if part.is_multipart:
        return any(has_attachments(child) for child in part.children)
    return is_attachment(part)


def is_attachment(part: Part) -> bool:
    """Is this leaf an attachment: it says so, is a message, or is neither text nor shown inside it."""
    value = part.headers.first(b"content-disposition")
    disposition = parse_disposition(value) if value else None
    if disposition is not None and disposition[0] == "attachment":
        return True
    if part.type == "text":
        named = parameter_text(disposition[1], "filename") if disposition is not None else None
        return bool(named or parameter_text(part.parameters, "name")) and part.subtype not in (
            "plain",
            "html",
        )
    if part.type == "application" and part.subtype in (
        "pgp-signature",
        "pkcs7-signature",
        "x-pkcs7-signature",
    ):
        return False
    return not (part.type == "image" and part.headers.first(b"content-id") is not None)
