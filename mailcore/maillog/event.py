"""What can happen to mail. Each event becomes one timeline entry of the trace and its line(s) of the maillog.

`rule` names the rule of mailcore.policy or mailcore.routing that decided; `reply` is what the client, or we, heard, as
"code enhanced text". Times are aware and in UTC, delays in seconds since the message was accepted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Fields common to all; "" means unknown or not applicable."""

    kind: ClassVar[str] = ""
    at: datetime = field(default_factory=_now)
    session_id: str = ""
    queue_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected(Event):
    """A client opened a connection to `listener` (mx, submission, submissions)."""

    kind: ClassVar[str] = "connected"
    client_address: str
    client_name: str = "unknown"
    listener: str = "mx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected(Event):
    """The connection ended."""

    kind: ClassVar[str] = "disconnected"
    client_address: str
    client_name: str = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused(Event):
    """Mail was turned away at `stage` (CONNECT, MAIL, RCPT, DATA ...), for good (5xx) or for now (4xx)."""

    kind: ClassVar[str] = "refused"
    client_address: str
    client_name: str = "unknown"
    helo: str = ""
    sender: str = ""
    recipient: str = ""
    stage: str = "RCPT"
    rule: str
    reply: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted(Event):
    """A message is ours: 250 was about to be said after DATA. `account` is who had logged in."""

    kind: ClassVar[str] = "accepted"
    client_address: str = ""
    client_name: str = "unknown"
    helo: str = ""
    sender: str = ""
    recipients: tuple[str, ...] = ()
    size: int = 0
    message_id: str = ""
    tls: str = ""
    account: str = ""
    listener: str = "mx"
    rule: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expanded(Event):
    """A recipient stood for others: alias, alias domain, canonical rewriting, catch-all or subaddress (`rule`)."""

    kind: ClassVar[str] = "expanded"
    recipient: str
    targets: tuple[str, ...]
    rule: str = "alias"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveredLocally(Event):
    """In the mailbox, durably."""

    kind: ClassVar[str] = "delivered"
    recipient: str
    original: str = ""
    mailbox: str = "INBOX"
    store: str = "maildir"
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt(Event):
    """One try to pass a message on; `relay` as "host[address]:port", `tls` as "TLSv1.3 cipher" or ""."""

    recipient: str
    original: str = ""
    sender: str = ""
    relay: str = "none"
    reply: str = ""
    tls: str = ""
    rule: str = ""
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Relayed(Attempt):
    """The next host has taken it."""

    kind: ClassVar[str] = "relayed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeferredAttempt(Attempt):
    """Not now: `next_attempt_at` says when again."""

    kind: ClassVar[str] = "deferred"
    next_attempt_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounced(Attempt):
    """Never: the sender is told, unless there is none."""

    kind: ClassVar[str] = "bounced"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportSent(Event):
    """A delivery status notification about `queue_id` was enqueued or delivered as `report_queue_id`."""

    kind: ClassVar[str] = "report"
    report_queue_id: str
    recipient: str = ""
    what: str = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed(Event):
    """The last recipient is done; the queue has forgotten the message."""

    kind: ClassVar[str] = "removed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOk(Event):
    """Somebody logged in over `protocol` (smtp, imap, pop3)."""

    kind: ClassVar[str] = "auth_ok"
    client_address: str
    account: str
    protocol: str
    mechanism: str = "PLAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthFailed(Event):
    """Somebody failed to."""

    kind: ClassVar[str] = "auth_failed"
    client_address: str
    client_name: str = "unknown"
    login: str
    protocol: str
    reason: str = "authentication failed"
    mechanism: str = "PLAIN"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueAction(Event):
    """An administrator did something with a queued message: retry, hold, release, delete."""

    kind: ClassVar[str] = "queue_action"
    action: str
    by: str
    recipient: str = ""


# Columns of trace_event; the other fields of an event go into its `detail`.
COLUMNS = (
    "at", "kind", "queue_id", "session_id", "client_address", "client_name", "sender", "recipient",
    "message_id", "size", "rule", "reply", "relay", "tls", "delay_s", "detail",
)  # fmt: skip
EMPTY: dict[str, Any] = {"client_address": None, "size": None, "delay_s": None}


def fields_of(event: Event) -> dict[str, Any]:
    """All fields of an event by name."""
    names = _NAMES.get(type(event)) or _NAMES.setdefault(type(event), _names_of(type(event)))
    return {name: getattr(event, name) for name in names}


_NAMES: dict[type[Event], tuple[str, ...]] = {}


def _names_of(kind: type[Event]) -> tuple[str, ...]:
    return tuple(name for cls in kind.__mro__ for name in getattr(cls, "__slots__", ()))
