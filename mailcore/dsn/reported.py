"""What a report is about: the message, what happened to its recipients, and who reports. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from mailcore.address import Address
from mailcore.dsn.decide import Action
from mailcore.envelope import Envelope, Recipient
from mailcore.reply import Reply

MAX_RETURNED_BYTES = 50_000
MAX_HEADER_BYTES = 100_000

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Reported:
    """What happened to one recipient. `relay` is "host[address]:port", or "none" or "local" if the words are ours."""

    action: Action
    recipient: Recipient
    relay: str
    reply: Reply
    at: datetime

    @property
    def is_remote(self) -> bool:
        """Are these the words of another server?"""
        return self.relay not in ("", "none", "local")

    @property
    def words(self) -> list[str]:
        """Line by line, each with the code."""
        return [f"{self.reply.code} {line}" for line in self.reply.lines()]


@dataclass(frozen=True, slots=True)
class About:
    """The message a report is about; `content` is its beginning (all of it up to MAX_RETURNED_BYTES), disk form."""

    queue_id: str
    envelope: Envelope
    message_id: str
    received_at: datetime
    expires_at: datetime
    content: bytes
    is_complete: bool

    @property
    def header(self) -> bytes:
        """Its header, without the empty line."""
        if self.content.startswith(b"\n"):
            return b""
        end = self.content.find(b"\n\n")
        return self.content[: end + 1] if end >= 0 else self.content


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: host name, and the address the report is from."""

    hostname: str
    origin: str


def ascii_domain(address: Address) -> str:
    """The address with A-labels."""
    return f"{address.local}@{address.domain_key}"


def shown(address: Address) -> str:
    """As people read it."""
    return one_line(ascii_domain(address) if address.local.isascii() else str(address))


def one_line(text: str) -> str:
    """Without line ends and other control characters."""
    return " ".join(_CONTROL.sub("?", text).split())
