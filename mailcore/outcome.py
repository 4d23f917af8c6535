"""What became of one recipient."""

from __future__ import annotations

from dataclasses import dataclass

from mailcore.envelope import Recipient
from mailcore.reply import Reply


@dataclass(frozen=True, slots=True)
class Delivered:
    """Done: in a mailbox (relay "local") or taken over by the next host."""

    recipient: Recipient
    relay: str
    reply: Reply
    tls: str = ""


@dataclass(frozen=True, slots=True)
class Deferred:
    """Not now: to be tried again."""

    recipient: Recipient
    relay: str
    reply: Reply
    tls: str = ""


@dataclass(frozen=True, slots=True)
class Failed:
    """Never: the sender is to be told."""

    recipient: Recipient
    relay: str
    reply: Reply
    tls: str = ""


Outcome = Delivered | Deferred | Failed
