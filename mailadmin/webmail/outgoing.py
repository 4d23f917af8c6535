"""Mail written in the viewer: from what was typed to a message, and into the hands of the MTA.

It is left in the maildrop, durable, as sendmail(1) leaves mail of local users; smtpd picks it up within a second and
treats it like any submission, so it also waits there while smtpd is down. The sender is the account or an alias that
leads to it, never what the form says.
"""

import json
import os
import re
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from pathlib import Path

from mailcore.address import Address
from mailcore.errors import AddressSyntaxError

MAX_RECIPIENTS = 100
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")
_SEPARATORS = re.compile(r"[;\r\n]+")


@dataclass(frozen=True, slots=True)
class Person:
    """An address, perhaps with a name."""

    name: str
    address: Address

    def for_header(self) -> HeaderAddress:
        local = self.address.local
        bare = re.sub(r"\\(.)", r"\1", local[1:-1]) if local.startswith('"') else local
        return HeaderAddress(display_name=self.name, username=bare, domain=self.address.domain)


@dataclass(frozen=True, slots=True)
class File:
    """Something attached."""

    name: str
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Draft:
    """What was written."""

    sender: Person
    to: tuple[Person, ...]
    cc: tuple[Person, ...]
    bcc: tuple[Person, ...]
    subject: str
    text: str
    in_reply_to: str = ""
    references: str = ""
    files: tuple[File, ...] = ()

    @property
    def recipients(self) -> list[str]:
        """Everybody once."""
        return list(dict.fromkeys(str(person.address) for person in (*self.to, *self.cc, *self.bcc)))


def parse_people(text: str) -> tuple[Person, ...]:
    """`Ann <ann@x.example>, bob@x.example; carol@x.example`. Raises AddressSyntaxError with a sentence."""
    listed = getaddresses([_SEPARATORS.sub(",", text)])
    people = tuple(Person(_one_line(name), Address.parse(address)) for name, address in listed if name or address)
    if text.strip() and not people:
        raise AddressSyntaxError(f"{text.strip()!r} is not an address.")
    return people


def build(draft: Draft, message_id: str, at: datetime) -> bytes:
    """The message, with LF line ends and without a trace of the blind recipients."""
    needs_utf8 = not all(address.isascii() for address in (*draft.recipients, str(draft.sender.address)))
    message = EmailMessage(policy=SMTP.clone(linesep="\n", utf8=needs_utf8))
    message["Date"] = format_datetime(at)
    message["From"] = draft.sender.for_header()
    for name, people in (("To", draft.to), ("Cc", draft.cc)):
        if people:
            message[name] = [person.for_header() for person in people]
    message["Subject"] = _one_line(draft.subject)
    message["Message-ID"] = message_id
    for name, value in (("In-Reply-To", draft.in_reply_to), ("References", draft.references)):
        if value:
            message[name] = _one_line(value)
    message.set_content(draft.text.replace("\r\n", "\n").replace("\r", "\n").rstrip("\n") + "\n")
    for file in draft.files:
        _attach(message, file)
    return message.as_bytes()


def leave(maildrop: Path, sender: str, recipients: Sequence[str], message: bytes) -> None:
    """Leave a message for smtpd to pick up. Durable when this returns. Raises OSError."""
    name = f"{time.time_ns()}.{secrets.token_hex(16)}"
    unfinished, finished = maildrop / "tmp" / name, maildrop / "new" / name
    envelope = json.dumps({"sender": sender, "recipients": list(recipients), "options": {}})
    # Readable for others, because smtpd may be another user; the folder does not tell the name.
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(envelope.encode() + b"\n" + message)
            file.flush()
            os.fsync(file.fileno())
        unfinished.rename(finished)
    except OSError:
        unfinished.unlink(missing_ok=True)
        raise
    _sync_folder(finished.parent)


def _attach(message: EmailMessage, file: File) -> None:
    main, _, sub = file.content_type.partition("/")
    if main == "message":
        # RFC 2046 section 5.2.1: a message inside a message is never base64.
        content = file.content.replace(b"\r\n", b"\n")
        message.add_attachment(content, maintype="message", subtype=sub, cte="8bit", filename=file.name)
        return
    if not (main and sub) or main == "multipart":
        main, sub = "application", "octet-stream"
    message.add_attachment(file.content, maintype=main, subtype=sub, filename=_one_line(file.name) or "file")


def _sync_folder(folder: Path) -> None:
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:
        # A maildrop of somebody else's, which we may write to but not read.
        os.sync()
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", text).strip()
