"""Delivery status notifications: multipart/report of RFC 3462 and 3464, international ones of RFC 6533. Pure.

Three parts: what happened, for people, with the other server's own words; the same for programs; and the message, or
its header where RET=HDRS asks for that, the message is large, or it is not lost (RFC 3461 section 5.2.3).
In disk form, with Return-Path first, as a spool file begins.
"""

from __future__ import annotations

import quopri
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import format_datetime

from mailcore.address import Address
from mailcore.dsn.decide import Action
from mailcore.dsn.explain import explain, status_of
from mailcore.envelope import Envelope, Recipient
from mailcore.message.encoded_word import decode_header
from mailcore.reply import Reply
from mailcore.smtp.xtext import encode_xtext

RETURN_PATH = b"Return-Path: <>\n"
MAX_RETURNED_BYTES = 50_000
MAX_HEADER_BYTES = 100_000
_FOLD_AT = 900

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Reported:
    """What happened to one recipient. `relay` is "host[address]:port", or "none" or "local" if the words are ours."""

    action: Action
    recipient: Recipient
    relay: str
    reply: Reply
    at: datetime


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


@dataclass(frozen=True, slots=True)
class Reporter:
    """Who reports: host name, and the address the report is from."""

    hostname: str
    origin: str


def build_report(
    reporter: Reporter, about: About, reported: Sequence[Reported], message_id: str, now: datetime
) -> bytes:
    """The whole report. All of `reported` have the same action; the message has a sender."""
    sender = about.envelope.sender
    assert sender is not None, "the null sender gets no reports"
    action = reported[0].action
    boundary = f"=_report_{secrets.token_hex(12)}"
    international = _is_international(about, reported)
    parts = [
        _text_part(_explanation(reporter, about, reported)),
        _status_part(reporter, about, reported, international=international),
        _returned_part(about, action),
    ]
    header = _header(reporter, about, sender, action, boundary, message_id, now)
    body = b"".join(b"--%s\n%s\n" % (boundary.encode(), part) for part in parts)
    return RETURN_PATH + header + b"\n" + body + b"--%s--\n" % boundary.encode()


def _header(
    reporter: Reporter, about: About, sender: Address, action: Action, boundary: str, message_id: str, now: datetime
) -> bytes:
    lines = [
        f"From: Mail Delivery System <MAILER-DAEMON@{reporter.origin}>",
        f"To: {_shown(sender)}",
        f"Subject: {_SUBJECTS[action]}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: {message_id}",
        *([f"References: {about.message_id}", f"In-Reply-To: {about.message_id}"] if _is_id(about.message_id) else []),
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status;\n boundary="' + boundary + '"',
    ]
    return ("\n".join(lines) + "\n").encode()


_SUBJECTS = {
    Action.FAILED: "Your message could not be delivered",
    Action.DELAYED: "Your message has not been delivered yet",
    Action.DELIVERED: "Your message was delivered",
    Action.RELAYED: "Your message was passed on",
}
_OPENINGS = {
    Action.FAILED: "Your message could not be delivered to {whom}. It will not be tried again.",
    Action.DELAYED: (
        "Your message could not be delivered to {whom} yet.\n"
        "You need not send it again: it will be tried until {until}."
    ),
    Action.DELIVERED: "You asked to be told: your message has arrived.",
    Action.RELAYED: "You asked to be told: your message is on its way.",
}


def _explanation(reporter: Reporter, about: About, reported: Sequence[Reported]) -> str:
    action = reported[0].action
    whom = "the following address" if len(reported) == 1 else "the following addresses"
    opening = _OPENINGS[action].format(whom=whom, until=about.expires_at.strftime("%d %B %Y, %H:%M UTC"))
    subject = _subject(about.content)
    lines = [f"This is the mail server {reporter.hostname}.", "", opening, ""]
    if subject:
        lines += [f"    Subject: {subject}", f"    Sent:    {about.received_at.strftime('%d %B %Y, %H:%M UTC')}", ""]
    for one in reported:
        lines += _paragraph(one)
    if action is Action.FAILED:
        lines += [
            f"If you cannot make sense of this, show it to your administrator (postmaster@{reporter.origin}).",
            "",
        ]
    return "\n".join(lines)


def _paragraph(one: Reported) -> list[str]:
    lines = [f"{_shown(one.recipient.address)}"]
    if one.recipient.original.key != one.recipient.address.key:
        lines.append(f"    (you wrote to {_shown(one.recipient.original)})")
    lines.append(f"    {explain(one.action, one.reply)}")
    if one.action in (Action.FAILED, Action.DELAYED):
        said = f"The server {one.relay} said:" if _is_remote(one.relay) else "In detail:"
        lines += ["", f"    {said}", *(f"    {line}" for line in _words(one.reply))]
    return [*lines, ""]


def _words(reply: Reply) -> list[str]:
    return [f"{reply.code} {line}" for line in reply.lines()]


def _text_part(text: str) -> bytes:
    body = text.encode()
    if body.isascii() and all(len(line) <= _FOLD_AT for line in body.splitlines()):
        return b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n" + body
    encoded = quopri.encodestring(body)
    return b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + encoded


def _status_part(reporter: Reporter, about: About, reported: Sequence[Reported], *, international: bool) -> bytes:
    kind = "message/global-delivery-status" if international else "message/delivery-status"
    groups = [_message_fields(reporter, about), *(_recipient_fields(about, one) for one in reported)]
    body = "\n".join("".join(f"{field}\n" for field in group) for group in groups)
    encoding = "8bit" if international else "7bit"
    text = body.encode() if international else body.encode("ascii", errors="replace")
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + text


def _message_fields(reporter: Reporter, about: About) -> list[str]:
    fields = [f"Reporting-MTA: dns; {reporter.hostname}", f"X-Queue-ID: {about.queue_id}"]
    if about.envelope.envid:
        fields.append(f"Original-Envelope-Id: {_one_line(encode_xtext(about.envelope.envid))}")
    return [*fields, f"Arrival-Date: {format_datetime(about.received_at)}"]


def _recipient_fields(about: About, one: Reported) -> list[str]:
    recipient = one.recipient
    original = recipient.orcpt or _typed(recipient.original)
    kind, _, address = original.partition(";")
    fields = [
        f"Original-Recipient: {kind.strip()}; {_one_line(address.strip())}",
        f"Final-Recipient: {_typed(recipient.address).replace(';', '; ', 1)}",
        f"Action: {one.action.value}",
        f"Status: {_status(one)}",
    ]
    if _is_remote(one.relay):
        fields.append(f"Remote-MTA: dns; {one.relay.partition('[')[0] or one.relay}")
    fields.append(f"Diagnostic-Code: {_diagnostic(one)}")
    fields.append(f"Last-Attempt-Date: {format_datetime(one.at)}")
    if one.action is Action.DELAYED:
        fields.append(f"Will-Retry-Until: {format_datetime(about.expires_at)}")
    return fields


def _status(one: Reported) -> str:
    """The class of the status says what happened, not what the last try brought: 5.4.7 for "too long"."""
    status = status_of(one.reply)
    if one.action is Action.FAILED and not status.startswith("5"):
        return "5.4.7"
    if one.action in (Action.DELIVERED, Action.RELAYED) and not status.startswith("2"):
        return "2.0.0"
    return status


def _diagnostic(one: Reported) -> str:
    kind = "smtp" if _is_remote(one.relay) else "X-Mailkeep"
    words = _one_line(" ".join(_words(one.reply)))
    return f"{kind}; {words[:_FOLD_AT]}"


def _returned_part(about: About, action: Action) -> bytes:
    wants_all = about.envelope.ret != "HDRS" and action is Action.FAILED
    international = about.envelope.smtputf8 and not about.content.isascii()
    if wants_all and about.is_complete:
        kind = "message/global" if international else "message/rfc822"
        content = about.content
    else:
        kind = "message/global-headers" if international else "text/rfc822-headers"
        content = header_of(about.content)
    if not content.endswith(b"\n"):
        content += b"\n"
    encoding = "7bit" if content.isascii() else "8bit"
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + content


def header_of(content: bytes) -> bytes:
    """The header of a message in disk form, without the empty line."""
    if content.startswith(b"\n"):
        return b""
    end = content.find(b"\n\n")
    return content[: end + 1] if end >= 0 else content


def _subject(content: bytes) -> str:
    match = re.search(rb"^subject:[ \t]*(.*(?:\n[ \t].*)*)", header_of(content), re.IGNORECASE | re.MULTILINE)
    if match is None:
        return ""
    return _one_line(decode_header(match[1]))[:200]


def _is_international(about: About, reported: Sequence[Reported]) -> bool:
    texts = [about.envelope.sender_text]
    for one in reported:
        texts += [_ascii_domain(one.recipient.address), _ascii_domain(one.recipient.original), one.recipient.orcpt]
        texts.append(one.reply.text)
    return about.envelope.smtputf8 and not all(text.isascii() for text in texts)


def _typed(address: Address) -> str:
    text = _ascii_domain(address)
    return f"rfc822;{text}" if text.isascii() else f"utf-8;{address}"


def _ascii_domain(address: Address) -> str:
    return f"{address.local}@{address.domain_key}"


def _shown(address: Address) -> str:
    return _one_line(_ascii_domain(address) if address.local.isascii() else str(address))


def _is_remote(relay: str) -> bool:
    return relay not in ("", "none", "local")


def _is_id(text: str) -> bool:
    return text.startswith("<") and text.endswith(">") and text.isascii() and not re.search(r"\s", text)


def _one_line(text: str) -> str:
    return " ".join(_CONTROL.sub("?", text).split())
