"""Events as lines of /var/log/maillog in Postfix's format, so that admins, pflogsumm and fail2ban read them as ever.

Pure. Every value from outside is stripped of control characters: a client cannot forge a line.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from mailcore.maillog import event as ev

_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0080-\u009f\u2028\u2029]")
_ENHANCED = re.compile(r"^[245]\d\d[ -]([245]\.\d{1,3}\.\d{1,3})\b")
# Why a login failed, when it was the client's doing. For all else Postfix's words, which fail2ban does not count.
# Reasons that are ours, as reason_of() names them; all others are the client's, which fail2ban may count.
OUTAGES = frozenset({"DirectoryUnavailable", "QueueUnavailable", "StoreUnavailable", "StoreFull"})
AUTHENTICATION_AWAY = "Connection lost to authentication server"
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def lines_of(event: ev.Event, hostname: str, pid: int) -> list[str]:
    """The lines of one event, without line ends. Kinds without a line give none."""
    write = WRITERS.get(type(event))
    if write is None:
        return []
    stamp = timestamp(event.at.astimezone())
    return [f"{stamp} {hostname} postfix/{daemon}[{pid}]: {text}" for daemon, text in write(event)]


def timestamp(at: datetime) -> str:
    """Syslog's (RFC 3164 section 4.1.2): "Nov  2 09:05:01", in the zone of `at`."""
    return f"{MONTHS[at.month - 1]} {at.day:2} {at:%H:%M:%S}"


def clean(text: object) -> str:
    """A value as it may stand in a log line."""
    return _CONTROL.sub("?", str(text))


def client(event: Any) -> str:
    """name[address]"""
    return f"{clean(event.client_name)}[{clean(event.client_address) or 'unknown'}]"


def dsn_of(reply: str, default: str) -> str:
    """The enhanced status code of a reply."""
    found = _ENHANCED.match(reply)
    if found:
        return found.group(1)
    return f"{reply[0]}.0.0" if reply[:1] in ("2", "4", "5") else default


def connected(event: ev.Connected) -> list[tuple[str, str]]:
    return [(daemon_of(event.listener), f"connect from {client(event)}")]


def disconnected(event: ev.Disconnected) -> list[tuple[str, str]]:
    return [("smtpd", f"disconnect from {client(event)}")]


def refused(event: ev.Refused) -> list[tuple[str, str]]:
    what = f"<{clean(event.recipient or event.sender)}>: " if event.recipient or event.sender else ""
    code, _, text = clean(event.reply).partition(" ")
    enhanced, _, words = text.partition(" ") if _ENHANCED.match(event.reply) else ("", "", text)
    head = f"{event.queue_id or 'NOQUEUE'}: reject: {event.stage} from {client(event)}: {code} "
    tail = f"from=<{clean(event.sender)}> to=<{clean(event.recipient)}> proto=ESMTP helo=<{clean(event.helo)}>"
    return [("smtpd", f"{head}{enhanced + ' ' if enhanced else ''}{what}{words}; {tail}")]


def accepted(event: ev.Accepted) -> list[tuple[str, str]]:
    login = f", sasl_method=PLAIN, sasl_username={clean(event.account)}" if event.account else ""
    return [
        (daemon_of(event.listener), f"{event.queue_id}: client={client(event)}{login}"),
        ("cleanup", f"{event.queue_id}: message-id={clean(event.message_id)}"),
        (
            "qmgr",
            f"{event.queue_id}: from=<{clean(event.sender)}>, size={event.size}, "
            f"nrcpt={len(event.recipients)} (queue active)",
        ),
    ]


def delivered(event: ev.DeliveredLocally) -> list[tuple[str, str]]:
    return [("virtual", _status(event, "virtual", "2.0.0", f"sent (delivered to {clean(event.store)})"))]


def relayed(event: ev.Relayed) -> list[tuple[str, str]]:
    return [("smtp", _status(event, event.relay, dsn_of(event.reply, "2.0.0"), f"sent ({clean(event.reply)})"))]


def deferred(event: ev.DeferredAttempt) -> list[tuple[str, str]]:
    return [
        (
            "smtp",
            _status(event, event.relay, dsn_of(event.reply, "4.0.0"), f"deferred ({clean(event.reply)})"),
        )
    ]


def bounced(event: ev.Bounced) -> list[tuple[str, str]]:
    return [("smtp", _status(event, event.relay, dsn_of(event.reply, "5.0.0"), f"bounced ({clean(event.reply)})"))]


def _status(event: Any, relay: str, dsn: str, status: str) -> str:
    original = f", orig_to=<{clean(event.original)}>" if event.original not in ("", event.recipient) else ""
    delay = f"{event.delay_s:.2f}"
    return (
        f"{event.queue_id}: to=<{clean(event.recipient)}>{original}, relay={clean(relay)}, delay={delay}, "
        f"delays=0/0/0/{delay}, dsn={dsn}, status={status}"
    )


def report(event: ev.ReportSent) -> list[tuple[str, str]]:
    names = {
        "failed": "non-delivery",
        "delayed": "delay",
        "delivered": "delivery status",
        "relayed": "delivery status",
    }
    what = names.get(event.what, event.what)
    return [("bounce", f"{event.queue_id}: sender {what} notification: {event.report_queue_id}")]


def removed(event: ev.Removed) -> list[tuple[str, str]]:
    return [("qmgr", f"{event.queue_id}: removed")]


def auth_failed(event: ev.AuthFailed) -> list[tuple[str, str]]:
    reason = AUTHENTICATION_AWAY if event.reason in OUTAGES else clean(event.reason)
    text = f"warning: {client(event)}: SASL {clean(event.mechanism)} authentication failed: {reason}"
    return [(PROTOCOL_DAEMONS.get(event.protocol, "smtpd"), f"{text}, sasl_username={clean(event.login)}")]


def auth_ok(event: ev.AuthOk) -> list[tuple[str, str]]:
    if event.protocol == "smtp":
        return []  # the client= line of the message says it
    daemon = PROTOCOL_DAEMONS[event.protocol]
    return [
        (
            daemon,
            f"login: user=<{clean(event.account)}>, method={event.mechanism}, rip={clean(event.client_address)}",
        )
    ]


def queue_action(event: ev.QueueAction) -> list[tuple[str, str]]:
    return [("postsuper", f"{event.queue_id}: {clean(event.action)} by {clean(event.by)}")]


def daemon_of(listener: str) -> str:
    """Postfix's names of the services in master.cf."""
    return {
        "mx": "smtpd",
        "submission": "submission/smtpd",
        "submissions": "smtps/smtpd",
        "pickup": "pickup",
    }.get(listener, "smtpd")


PROTOCOL_DAEMONS = {"smtp": "smtpd", "imap": "imapd", "pop3": "pop3d", "web": "webd"}

WRITERS: dict[type[ev.Event], Callable[[Any], list[tuple[str, str]]]] = {
    ev.Connected: connected,
    ev.Disconnected: disconnected,
    ev.Refused: refused,
    ev.Accepted: accepted,
    ev.DeliveredLocally: delivered,
    ev.Relayed: relayed,
    ev.DeferredAttempt: deferred,
    ev.Bounced: bounced,
    ev.ReportSent: report,
    ev.Removed: removed,
    ev.AuthFailed: auth_failed,
    ev.AuthOk: auth_ok,
    ev.QueueAction: queue_action,
}
