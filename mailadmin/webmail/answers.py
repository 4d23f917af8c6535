"""What the form is filled with when somebody replies to a message or passes it on."""

import re
from dataclasses import dataclass
from datetime import datetime

from mailadmin.webmail.people import bare_address, short_name
from mailcore.message.display import Display

MAX_QUOTED_LINES = 500
MAX_REFERENCES = 20
_PREFIX = re.compile(r"^(?:(?:re|aw|fwd?|wg)\s*:\s*)+", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")

REPLY, REPLY_ALL, FORWARD = "reply", "all", "forward"
MODES = frozenset({REPLY, REPLY_ALL, FORWARD})


@dataclass(frozen=True, slots=True)
class Prefilled:
    """The first contents of the form."""

    to: str = ""
    cc: str = ""
    subject: str = ""
    text: str = ""
    in_reply_to: str = ""
    references: str = ""


def answer(shown: Display, mode: str, own: frozenset[str], at: datetime | None) -> Prefilled:
    """A reply to the sender (or where he wants replies), to all, or a forwarded message. `own` are our addresses."""
    if mode == FORWARD:
        return Prefilled(subject=f"Fwd: {_bare_subject(shown)}", text="\n")
    to = shown.reply_to or shown.senders
    # A reply to what one has written oneself goes on to the same people.
    if {bare_address(person).lower() for person in to} <= own:
        to = shown.to
    others = [person for person in (*shown.to, *shown.cc) if person not in to] if mode == REPLY_ALL else []
    message_id, references = _thread(shown)
    return Prefilled(
        to=", ".join(to),
        cc=", ".join(person for person in others if bare_address(person).lower() not in own),
        subject=f"Re: {_bare_subject(shown)}",
        text=_quoted(shown, at),
        in_reply_to=message_id,
        references=references,
    )


def _bare_subject(shown: Display) -> str:
    return _PREFIX.sub("", shown.subject.strip())


def _thread(shown: Display) -> tuple[str, str]:
    """(Message-ID, References of a reply), RFC 5322 section 3.6.4."""
    fields = {name.lower(): value for name, value in shown.headers}
    found = _MESSAGE_ID.findall(fields.get("message-id", ""))
    message_id = found[0] if found else ""
    before = _MESSAGE_ID.findall(fields.get("references", "") or fields.get("in-reply-to", ""))
    return message_id, " ".join([*before[-MAX_REFERENCES:], *([message_id] if message_id else [])])


def _quoted(shown: Display, at: datetime | None) -> str:
    who = short_name(shown.senders[0]) if shown.senders else "somebody"
    day = f"On {at:%Y-%m-%d %H:%M} {who} wrote:" if at else f"{who} wrote:"
    lines = shown.text.rstrip().split("\n")[:MAX_QUOTED_LINES]
    return "\n\n" + "\n".join([day, *(">" + line if line.startswith(">") else "> " + line for line in lines)]) + "\n"
