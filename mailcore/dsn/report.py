"""Delivery status notifications: multipart/report of RFC 3462 and 3464, international ones of RFC 6533. Pure.

Three parts: what happened, for people, with the other server's own words; the same for programs; and the message, or
its header where RET=HDRS asks for that, the message is large, or it is not lost (RFC 3461 section 5.2.3).
In disk form, with Return-Path first, as a spool file begins.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Sequence
from datetime import datetime
from email.utils import format_datetime

from mailcore.address import Address
from mailcore.dsn.decide import Action
from mailcore.dsn.fields import status_part
from mailcore.dsn.letter import text_part
from mailcore.dsn.reported import About, Reported, Reporter, shown

RETURN_PATH = b"Return-Path: <>\n"

_SUBJECTS = {
    Action.FAILED: "Your message could not be delivered",
    Action.DELAYED: "Your message has not been delivered yet",
    Action.DELIVERED: "Your message was delivered",
    Action.RELAYED: "Your message was passed on",
}


def build_report(
    reporter: Reporter, about: About, reported: Sequence[Reported], message_id: str, now: datetime
) -> bytes:
    """The whole report. All of `reported` have the same action; the message has a sender."""
    sender = about.envelope.sender
    assert sender is not None, "the null sender gets no reports"
    action = reported[0].action
    boundary = f"=_report_{secrets.token_hex(12)}"
    parts = [
        text_part(reporter, about, reported),
        status_part(reporter, about, reported),
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
        f"To: {shown(sender)}",
        f"Subject: {_SUBJECTS[action]}",
        f"Date: {format_datetime(now)}",
        f"Message-ID: {message_id}",
        *([f"References: {about.message_id}", f"In-Reply-To: {about.message_id}"] if _is_id(about.message_id) else []),
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        'Content-Type: multipart/report; report-type=delivery-status;\n boundary="' + boundary + '"',
    ]
    return ("\n".join(lines) + "\n").encode()


def _returned_part(about: About, action: Action) -> bytes:
    wants_all = about.envelope.ret != "HDRS" and action is Action.FAILED
    international = about.envelope.smtputf8 and not about.content.isascii()
    if wants_all and about.is_complete:
        kind = "message/global" if international else "message/rfc822"
        content = about.content
    else:
        kind = "message/global-headers" if international else "text/rfc822-headers"
        content = about.header
    if not content.endswith(b"\n"):
        content += b"\n"
    encoding = "7bit" if content.isascii() else "8bit"
    return f"Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n\n".encode() + content


def _is_id(text: str) -> bool:
    return text.startswith("<") and text.endswith(">") and text.isascii() and not re.search(r"\s", text)
