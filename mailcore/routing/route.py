"""Where one recipient goes: the values that routing gives to policy and delivery."""

from __future__ import annotations

from dataclasses import dataclass

from mailcore.envelope import Recipient
from mailcore.identity import AccountRef
from mailcore.reply import Reply

# What the domain of a recipient is to us: ours, one we relay for, or somebody else's.
LOCAL, RELAY, ELSEWHERE = "local", "relay", "elsewhere"


@dataclass(frozen=True, slots=True)
class Local:
    """Into a mailbox here. What the account uses may be some seconds old."""

    recipient: Recipient
    account: AccountRef
    used_bytes: int = 0
    used_messages: int = 0


@dataclass(frozen=True, slots=True)
class Relay:
    """Into the queue: to another host, or to be looked at again there."""

    recipient: Recipient


@dataclass(frozen=True, slots=True)
class Refused:
    """Nowhere. `rule` and `reason` are for the trace, `reply` is for the client."""

    recipient: Recipient
    rule: str
    reply: Reply
    reason: str


Route = Local | Relay | Refused


@dataclass(frozen=True, slots=True)
class Routes:
    """All routes of one RCPT TO.

    `address` is the qualified and rewritten recipient, `destination` what its domain is to us (the question of relay
    access is about this one, not about what an alias makes of it). `targets` are the addresses an alias led to, empty
    without an alias. `refused` is set when there is no route at all.
    """

    address: Recipient
    destination: str
    local: tuple[Local, ...] = ()
    remote: tuple[Relay, ...] = ()
    refused: Refused | None = None
    targets: tuple[str, ...] = ()

    @property
    def is_deliverable(self) -> bool:
        """Whether there is somewhere to go."""
        return bool(self.local or self.remote)
