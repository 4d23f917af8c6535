"""The part of a report that people read: what happened, to whom, in the other server's own words. Pure."""

from __future__ import annotations

import quopri
import re
from collections.abc import Sequence

from mailcore.dsn.decide import Action
from mailcore.dsn.explain import explain
from mailcore.dsn.reported import About, Reported, Reporter, one_line, shown
from mailcore.message.encoded_word import decode_header

FOLD_AT = 900

_OPENINGS = {
    Action.FAILED: "Your message could not be delivered to {whom}. It will not be tried again.",
    Action.DELAYED: (
        "Your message could not be delivered to {whom} yet.\n"
        "You need not send it again: it will be tried until {until}."
    ),
    Action.DELIVERED: "You asked to be told: your message has arrived.",
    Action.RELAYED: "You asked to be told: your message is on its way.",
}


def text_part(reporter: Reporter, about: About, reported: Sequence[Reported]) -> bytes:
    """text/plain, with its header."""
    body = _explanation(reporter, about, reported).encode()
    if body.isascii() and all(len(line) <= FOLD_AT for line in body.splitlines()):
        return b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 7bit\n\n" + body
    encoded = quopri.encodestring(body)
    return b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n" + encoded


def _explanation(reporter: Reporter, about: About, reported: Sequence[Reported]) -> str:
    action = reported[0].action
    whom = "the following address" if len(reported) == 1 else "the following addresses"
    opening = _OPENINGS[action].format(whom=whom, until=about.expires_at.strftime("%d %B %Y, %H:%M UTC"))
    subject = _subject(about)
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
    lines = [f"{shown(one.recipient.address)}"]
    if one.recipient.original.key != one.recipient.address.key:
        lines.append(f"    (you wrote to {shown(one.recipient.original)})")
    lines.append(f"    {explain(one.action, one.reply)}")
    if one.action in (Action.FAILED, Action.DELAYED):
        said = f"The server {one.relay} said:" if one.is_remote else "In detail:"
        lines += ["", f"    {said}", *(f"    {line}" for line in one.words)]
    return [*lines, ""]


def _subject(about: About) -> str:
    match = re.search(rb"^subject:[ \t]*(.*(?:\n[ \t].*)*)", about.header, re.IGNORECASE | re.MULTILINE)
    if match is None:
        return ""
    return one_line(decode_header(match[1]))[:200]
