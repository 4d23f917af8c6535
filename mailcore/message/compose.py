"""Messages this system writes itself: notices and the welcome message, in disk form, ready for delivery.

They say that a machine wrote them (RFC 3834), carry every field RFC 5322 section 3.6 asks for, and are 7-bit
whatever is in them. Time and Message-ID come in as arguments: nothing here looks at a clock.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64encode
from dataclasses import dataclass
from datetime import datetime

from mailcore.message.date import format_date

MAX_LINE = 78
_WORD_OCTETS = 45  # An encoded word has at most 75 characters (RFC 2047 section 2): 12 around, 60 of base64.
_PLAIN_LINE = re.compile(r"[ -~]*")
_ATOMS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f]+")
_UNSAFE_IN_ADDRESS = re.compile(r"[\x00-\x20\x7f<>,;]+")


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to one person. Names may be empty; text has "\\n" line ends."""

    sender: str
    sender_name: str
    recipient: str
    recipient_name: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """What a person types into a mail program."""

    host: str
    imap_port: int
    pop3_port: int
    submission_port: int
    webmail_url: str


def compose(notice: Notice, *, message_id: str, now: datetime) -> bytes:
    """The message. `message_id` comes with its angle brackets."""
    header = [
        f"From: {mailbox(notice.sender_name, notice.sender)}",
        f"To: {mailbox(notice.recipient_name, notice.recipient)}",
        f"Subject: {encode_text(notice.subject)}",
        f"Date: {format_date(now)}",
        f"Message-ID: {_UNSAFE.sub('', message_id)}",
        "MIME-Version: 1.0",
        "Auto-Submitted: auto-generated",
    ]
    encoding, body = _body(notice.text)
    header += ["Content-Type: text/plain; charset=utf-8", f"Content-Transfer-Encoding: {encoding}"]
    return "\n".join(header).encode("utf-8") + b"\n\n" + body


def welcome(
    address: str, display_name: str, postmaster: str, settings: ClientSettings, *, message_id: str, now: datetime
) -> bytes:
    """The first message of a new account: how to reach it from a mail program and from the browser."""
    text = f"""Hello {display_name or address},

your mailbox {address} is ready.

In the browser:  {settings.webmail_url}

In a mail program, with your address as user name and your password:

  Incoming (IMAP)   {settings.host}, port {settings.imap_port}, TLS
  Incoming (POP3)   {settings.host}, port {settings.pop3_port}, TLS
  Outgoing (SMTP)   {settings.host}, port {settings.submission_port}, STARTTLS, with authentication

Questions go to {postmaster}.
"""
    notice = Notice(postmaster, "Mailkeep", address, display_name, f"Welcome to {address}", text)
    return compose(notice, message_id=message_id, now=now)


def mailbox(name: str, address: str) -> str:
    """A mailbox for From, To and Cc: `Name <address>`, the name quoted or encoded if it has to be."""
    address = _UNSAFE_IN_ADDRESS.sub("", address)
    name = " ".join(_UNSAFE.sub(" ", name).split())
    if not name:
        return address
    if _ATOMS.fullmatch(name) and "=?" not in name and len(name) <= MAX_LINE:
        return f"{name} <{address}>"
    if _PLAIN_LINE.fullmatch(name) and "=?" not in name and len(name) <= MAX_LINE:
        escaped = name.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}" <{address}>'
    return f"{_encoded_words(name)} <{address}>"


def encode_text(text: str) -> str:
    """Text for an unstructured field, folded; encoded words (RFC 2047) where it is not plain ASCII or too
    long."""
    text = _UNSAFE.sub(" ", text).strip()
    if _PLAIN_LINE.fullmatch(text) and "=?" not in text and len(text) <= MAX_LINE:
        return text
    return _encoded_words(text)


def _encoded_words(text: str) -> str:
    """UTF-8 in base64, no character split between words (section 5)."""
    chunks: list[bytes] = [b""]
    for character in text:
        encoded = character.encode("utf-8", "replace")
        if len(chunks[-1]) + len(encoded) > _WORD_OCTETS:
            chunks.append(b"")
        chunks[-1] += encoded
    return "\n ".join(f"=?utf-8?B?{b64encode(chunk).decode('ascii')}?=" for chunk in chunks)


def _body(text: str) -> tuple[str, bytes]:
    """(Content-Transfer-Encoding, body): 7bit where every line is short and plain, else quoted-printable."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if text and not text.endswith("\n"):
        text += "\n"
    if all(_PLAIN_LINE.fullmatch(line) and len(line) <= 998 for line in text.split("\n")):
        return "7bit", text.encode("ascii")
    return "quoted-printable", binascii.b2a_qp(text.encode("utf-8", "replace"), istext=True)
