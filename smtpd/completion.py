"""The header fields this server puts in front of a message: RFC 5321 section 4.4 and RFC 6409 section 8.

Works on the first part of the message in disk form, which holds the header section, and returns what to write instead
of it. Return-Path comes first; its length is the offset at which relaying begins to read. Received is always added;
Date, Message-ID and From only for mail that begins its way here, if they are missing. A Return-Path from outside is
dropped, and so is Bcc in mail that begins here (Postfix: message_drop_headers).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from mailcore.address import Address
from mailcore.ids import new_message_id
from mailcore.message.date import format_date
from mailcore.message.trace import Hop, received, return_path

_NAMES = re.compile(rb"^([!-9;-~]+)[ \t]*:", re.MULTILINE)
_MESSAGE_ID = re.compile(rb"^message-id[ \t]*:[ \t\n]*([^\n]*)", re.MULTILINE | re.IGNORECASE)
_RETURN_PATH = re.compile(rb"^return-path[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE | re.IGNORECASE)
_BLIND = re.compile(rb"^(?:resent-)?bcc[ \t]*:[^\n]*\n(?:[ \t][^\n]*\n)*", re.MULTILINE | re.IGNORECASE)
_MAX_MESSAGE_ID = 998


@dataclass(frozen=True, slots=True)
class Completed:
    """The beginning of the message as it is kept; its first `offset` bytes are the Return-Path.

    `added` is by how much the message has become larger, in wire form.
    """

    start: bytes
    offset: int
    added: int
    message_id: str
    hops: int


def complete(head: bytes, hop: Hop, sender: Address | None, *, originates: bool, default_from: str = "") -> Completed:
    """`head` (header section and perhaps some body) with our fields in front."""
    end = _header_end(head)
    header, body = head[:end], head[end:]
    given = header
    names = [name.lower() for name in _NAMES.findall(header)]
    if b"return-path" in names:
        header = _RETURN_PATH.sub(b"", header)
    first = return_path(sender)
    fields = [first, received(hop)]
    message_id = _message_id(header) if b"message-id" in names else ""
    if originates:
        if b"bcc" in names or b"resent-bcc" in names:
            header = _BLIND.sub(b"", header)
        missing, message_id = _missing(names, hop.at, hop.by, default_from or str(sender or ""), message_id)
        fields += missing
    if not end and not head.startswith(b"\n"):
        fields.append(b"\n")  # there is no header section: what comes first is text
    ours = b"".join(fields)
    added = _wire_size(ours) + (_wire_size(header) - _wire_size(given) if header is not given else 0)
    return Completed(b"".join((ours, header, body)), len(first), added, message_id, names.count(b"received"))


def _wire_size(text: bytes) -> int:
    return len(text) + text.count(b"\n")


def _header_end(head: bytes) -> int:
    """Where the fields end: at the empty line, at the first line that is none, or with the head."""
    end = head.find(b"\n\n")
    end = len(head) if end < 0 else end + 1
    if head.startswith(b"\n") or _NAMES.match(head) is None:
        return 0
    return end


def _message_id(header: bytes) -> str:
    found = _MESSAGE_ID.search(header)
    return found[1].decode("utf-8", "replace").strip()[:_MAX_MESSAGE_ID].replace("\0", "") if found else ""


def _missing(names: list[bytes], at: datetime, hostname: str, sender: str, message_id: str) -> tuple[list[bytes], str]:
    added = []
    if b"date" not in names:
        added.append(f"Date: {format_date(at)}\n".encode())
    if b"from" not in names:
        added.append(f"From: {sender}\n".encode())
    if b"message-id" not in names:
        message_id = new_message_id(hostname)
        added.append(f"Message-ID: {message_id}\n".encode())
    return added, message_id
