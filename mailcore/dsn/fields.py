"""The part of a report that programs read: message/delivery-status (RFC 3464 section 2, RFC 6533 section 3). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import format_datetime

from mailcore.address import Address
from mailcore.dsn.decide import Action
from mailcore.dsn.explain import status_of
from mailcore.dsn.reported import About, Reported, Reporter, ascii_domain, one_line
from mailcore.smtp.xtext import encode_xtext

MOST_WORDS = 900


def status_part(reporter: Reporter, about: About, reported: Sequence[Reported]) -> bytes:
    """With its header."""
    international = _is_international(about, reported)
    kind = "message/global-delivery-status" if international else "message/delivery-status"
    groups = [_message_fields(reporter, about), *(_recipient_fields(about, one) for one in reported)]
    body = "\n".join("".join(f"{field}\n" for field in group) for group in groups)
    encoding = "8bit" if international else "7bit"
    text = body.encode() if international else body.encode("ascii", errors="replace")
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + text


def _message_fields(reporter: Reporter, about: About) -> list[str]:
    fields = [f"Reporting-MTA: dns; {reporter.hostname}", f"X-Queue-ID: {about.queue_id}"]
    if about.envelope.envid:
        fields.append(f"Original-Envelope-Id: {one_line(encode_xtext(about.envelope.envid))}")
    return [*fields, f"Arrival-Date: {format_datetime(about.received_at)}"]


def _recipient_fields(about: About, one: Reported) -> list[str]:
    recipient = one.recipient
    original = recipient.orcpt or _typed(recipient.original)
    kind, _, address = original.partition(";")
    fields = [
        f"Original-Recipient: {kind.strip()}; {one_line(address.strip())}",
        f"Final-Recipient: {_typed(recipient.address).replace(';', '; ', 1)}",
        f"Action: {one.action.value}",
        f"Status: {_status(one)}",
    ]
    if one.is_remote:
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
    kind = "smtp" if one.is_remote else "X-Mailkeep"
    words = one_line(" ".join(one.words))
    return f"{kind}; {words[:MOST_WORDS]}"


def _is_international(about: About, reported: Sequence[Reported]) -> bool:
    texts = [about.envelope.sender_text]
    for one in reported:
        texts += [ascii_domain(one.recipient.address), ascii_domain(one.recipient.original), one.recipient.orcpt]
        texts.append(one.reply.text)
    return about.envelope.smtputf8 and not all(text.isascii() for text in texts)


def _typed(address: Address) -> str:
    text = ascii_domain(address)
    return f"rfc822;{text}" if text.isascii() else f"utf-8;{address}"
