"""`manage.py mailq` (bin/mailq, sendmail -bp): the queue as postqueue -p prints it, or -j as JSON lines.

`flush` is postqueue -f: everything that waits is due now. Written while it is read, by a cursor on the server: a queue
of any length is in nobody's memory.
"""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from django.core.management.base import BaseCommand

from mailadmin.mailqueue.models import QueueMessage

HEADING = "-Queue ID-        --Size-- ----Arrival Time---- -Sender/Recipient-------"
MARKS = {"active": "*", "hold": "!", "deferred": ""}
_AT_ONCE = 2000


class Recipient(NamedTuple):
    """Who still waits, and why."""

    address: str
    state: str
    last_reply: str


class Message(NamedTuple):
    """A queued message with its recipients."""

    queue_id: str
    sender: str
    size: int
    received_at: datetime
    recipients: list[Recipient]

    @property
    def queue_name(self) -> str:
        """active (*), hold (!) or deferred, in Postfix's words."""
        states = {recipient.state for recipient in self.recipients}
        if "leased" in states:
            return "active"
        return "hold" if states == {"held"} else "deferred"


class Command(BaseCommand):
    """Lists queued messages, oldest first."""

    help = "List the mail queue as postqueue -p does."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("-j", "--json", action="store_true", help="One JSON object per line, as postqueue -j.")

    def handle(self, *args: Any, **options: Any) -> None:
        lines = json_lines() if options["json"] else text_lines()
        for line in lines:
            self.stdout.write(line)


def json_lines() -> Iterator[str]:
    """One object for each message."""
    return (json.dumps(as_json(message)) for message in queued_messages())


def text_lines() -> Iterator[str]:
    """A heading, the messages with an empty line behind each, and how much it is altogether."""
    count, size = 0, 0
    for message in queued_messages():
        if not count:
            yield HEADING
        yield "\n".join(as_lines(message)) + "\n\n"
        count, size = count + 1, size + message.size
    requests = "Request" if count == 1 else "Requests"
    yield f"-- {(size + 1023) // 1024} Kbytes in {count} {requests}." if count else "Mail queue is empty"


def queued_messages() -> Iterator[Message]:
    """All messages, oldest first, their recipients in the order they were given."""
    rows = QueueMessage.objects.order_by("received_at", "id", "recipients__id").values_list(
        "queue_id", "sender", "size", "received_at",
        "recipients__address", "recipients__state", "recipients__last_reply",
    )  # fmt: skip
    for columns, each in groupby(rows.iterator(chunk_size=_AT_ONCE), key=lambda row: row[:4]):
        # The last recipient may just be gone, and the message about to follow.
        yield Message(*columns, [Recipient(*row[4:]) for row in each if row[4] is not None])


def as_lines(message: Message) -> list[str]:
    """One message: what it is, then each reason with the recipients it applies to."""
    arrived = message.received_at.astimezone().strftime("%a %b %e %H:%M:%S")
    name = message.queue_id + MARKS[message.queue_name]
    lines = [f"{name:<16} {message.size:>9} {arrived:<20}  {message.sender or 'MAILER-DAEMON'}"]
    reason = None
    for recipient in sorted(message.recipients, key=lambda each: each.last_reply):
        if recipient.last_reply and recipient.last_reply != reason:
            lines.append(f"({' '.join(recipient.last_reply.split())})".rjust(76))
        reason = recipient.last_reply
        lines.append(f"{'':<49}{recipient.address}")
    return lines


def as_json(message: Message) -> dict[str, Any]:
    """The fields of postqueue -j."""
    return {
        "queue_name": message.queue_name,
        "queue_id": message.queue_id,
        "arrival_time": int(message.received_at.timestamp()),
        "message_size": message.size,
        "forced_expire": False,
        "sender": message.sender,
        "recipients": [
            {"address": recipient.address} | ({"delay_reason": recipient.last_reply} if recipient.last_reply else {})
            for recipient in message.recipients
        ],
    }
