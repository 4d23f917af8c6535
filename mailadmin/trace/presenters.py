"""Events of the trace in words: a title, a tone, and the facts worth reading, each kind in one place."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailadmin.directory.quantities import format_bytes
from mailadmin.trace.queries import TracedEvent

GOOD, WARN, BAD, INFO, PLAIN = "good", "warn", "bad", "info", ""


@dataclass(frozen=True, slots=True)
class Line:
    """One entry of a timeline. `facts` are (name, value, is it verbatim?)."""

    at: datetime
    title: str
    tone: str
    facts: tuple[tuple[str, str | datetime, bool], ...]
    link_queue_id: str = ""


@dataclass(frozen=True, slots=True)
class _Kind:
    tone: str
    title: Callable[[TracedEvent], str]
    facts: tuple[str, ...] = ()


# Facts that are somebody's exact words or identifiers are set in a fixed-width face.
VERBATIM = frozenset({"reply", "message_id", "relay", "tls", "rule", "client", "helo"})
NAMES = {
    "reply": "Reply", "message_id": "Message-ID", "relay": "Remote host", "tls": "TLS", "rule": "Rule",
    "client": "Client", "helo": "HELO", "sender": "Sender", "recipient": "Recipient", "recipients": "Recipients",
    "original": "Original recipient", "targets": "Stands for", "size": "Size", "account": "Account",
    "delay": "After", "listener": "Listener", "stage": "Stage", "reason": "Reason", "next": "Next attempt",
    "mailbox": "Mailbox", "mechanism": "Mechanism", "protocol": "Protocol", "login": "Login", "what": "Kind",
    "by": "By",
}  # fmt: skip
ATTEMPT = ("original", "relay", "tls", "reply", "rule", "delay", "next")

KINDS: dict[str, _Kind] = {
    "connected": _Kind(PLAIN, lambda e: "Client connected", ("client", "listener")),
    "disconnected": _Kind(PLAIN, lambda e: "Client disconnected", ("client",)),
    "auth_ok": _Kind(INFO, lambda e: f"Logged in as {_detail(e, 'account')}", ("protocol", "mechanism", "client")),
    "auth_failed": _Kind(
        BAD, lambda e: f"Login failed: {_detail(e, 'login')}", ("protocol", "mechanism", "reason", "client")
    ),
    "refused": _Kind(
        BAD,
        lambda e: "Turned away for now" if e.reply.startswith("4") else "Refused",
        ("stage", "rule", "reply", "reason", "sender", "recipient", "client", "helo"),
    ),
    "accepted": _Kind(
        INFO,
        lambda e: "Accepted",
        ("sender", "recipients", "size", "message_id", "client", "helo", "account", "listener", "tls", "rule"),
    ),
    "expanded": _Kind(INFO, lambda e: f"{e.recipient} was expanded", ("targets", "rule")),
    "delivered": _Kind(GOOD, lambda e: f"Delivered to {e.recipient}", ("mailbox", "original", "delay")),
    "relayed": _Kind(GOOD, lambda e: f"Sent on for {e.recipient}", ATTEMPT),
    "deferred": _Kind(WARN, lambda e: f"Deferred for {e.recipient}", ATTEMPT),
    "bounced": _Kind(BAD, lambda e: f"Failed for {e.recipient}", ATTEMPT),
    "report": _Kind(WARN, lambda e: "The sender was sent a report", ("what", "recipient")),
    "removed": _Kind(PLAIN, lambda e: "Left the queue"),
    "queue_action": _Kind(INFO, lambda e: f"Administrator: {_detail(e, 'action')}", ("by", "recipient")),
}


def lines(events: Iterable[TracedEvent]) -> list[Line]:
    """The timeline in words; a kind that is not known here is shown with all it has."""
    return [line(event) for event in events]


def line(event: TracedEvent) -> Line:
    """One event in words."""
    kind = KINDS.get(event.kind) or _Kind(PLAIN, lambda e: e.kind, tuple(NAMES))
    facts = tuple((NAMES[name], value, name in VERBATIM) for name in kind.facts if (value := _fact(event, name)))
    return Line(event.at, kind.title(event), kind.tone, facts, _detail(event, "report_queue_id"))


def _fact(event: TracedEvent, name: str) -> str | datetime:
    special: dict[str, Callable[[TracedEvent], str | datetime]] = {
        "client": _client,
        "size": lambda e: format_bytes(e.size) if e.size else "",
        "delay": lambda e: f"{e.delay_s:.1f} s" if e.delay_s is not None else "",
        "next": lambda e: _moment(_detail(e, "next_attempt_at")),
        "sender": lambda e: e.sender or ("<>" if e.kind == "accepted" else ""),
        "original": lambda e: _detail(e, "original") if _detail(e, "original") != e.recipient else "",
    }
    if name in special:
        return special[name](event)
    return str(getattr(event, name, "") or "") or _detail(event, name)


def _client(event: TracedEvent) -> str:
    if not event.client_address:
        return ""
    known = event.client_name and event.client_name != "unknown"
    return f"{event.client_name}[{event.client_address}]" if known else str(event.client_address)


def _moment(text: str) -> str | datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return text


def _detail(event: TracedEvent, name: str) -> str:
    value = event.detail.get(name, "")
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(item) for item in value)
    return "" if value is None else str(value)
