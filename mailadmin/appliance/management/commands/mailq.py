"""`manage.py mailq` (bin/mailq, sendmail -bp): the queue as postqueue -p prints it, or -j as JSON lines.

`flush` is postqueue -f: everything that waits is due now.
"""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db.models import Prefetch, QuerySet

from mailadmin.mailqueue.models import QueueMessage, QueueRecipient

HEADING = "-Queue ID-        --Size-- ----Arrival Time---- -Sender/Recipient-------"


class Command(BaseCommand):
    """Lists queued messages, oldest first."""

    help = "List the mail queue as postqueue -p does."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("-j", "--json", action="store_true", help="One JSON object per line, as postqueue -j.")

    def handle(self, *args: Any, **options: Any) -> None:
        messages = queued_messages()
        if options["json"]:
            for message in messages.iterator(chunk_size=500):
                self.stdout.write(json.dumps(as_json(message)))
            return
        count, size = 0, 0
        for message in messages.iterator(chunk_size=500):
            if not count:
                self.stdout.write(HEADING)
            self.stdout.write("\n".join(as_lines(message)) + "\n\n", ending="")
            count, size = count + 1, size + message.size
        if count:
            requests = "Request" if count == 1 else "Requests"
            self.stdout.write(f"-- {(size + 1023) // 1024} Kbytes in {count} {requests}.")
        else:
            self.stdout.write("Mail queue is empty")


def queued_messages() -> "QuerySet[QueueMessage]":
    recipients = QueueRecipient.objects.order_by("id")
    return QueueMessage.objects.order_by("received_at").prefetch_related(Prefetch("recipients", recipients))


def queue_name(message: QueueMessage) -> str:
    """active (*), hold (!) or deferred, in Postfix's words."""
    states = {recipient.state for recipient in message.recipients.all()}
    if "leased" in states:
        return "active"
    return "hold" if states == {"held"} else "deferred"


def as_lines(message: QueueMessage) -> list[str]:
    """One message: what it is, then each reason with the recipients it applies to."""
    mark = {"active": "*", "hold": "!", "deferred": ""}[queue_name(message)]
    arrived = message.received_at.astimezone().strftime("%a %b %e %H:%M:%S")
    lines = [f"{message.queue_id + mark:<16} {message.size:>9} {arrived:<20}  {message.sender or 'MAILER-DAEMON'}"]
    reason = None
    for recipient in sorted(message.recipients.all(), key=lambda each: each.last_reply):
        if recipient.last_reply and recipient.last_reply != reason:
            lines.append(f"({' '.join(recipient.last_reply.split())})".rjust(76))
        reason = recipient.last_reply
        lines.append(f"{'':<49}{recipient.address}")
    return lines


def as_json(message: QueueMessage) -> dict[str, Any]:
    """The fields of postqueue -j."""
    return {
        "queue_name": queue_name(message),
        "queue_id": message.queue_id,
        "arrival_time": int(message.received_at.timestamp()),
        "message_size": message.size,
        "forced_expire": False,
        "sender": message.sender,
        "recipients": [
            {"address": recipient.address} | ({"delay_reason": recipient.last_reply} if recipient.last_reply else {})
            for recipient in message.recipients.all()
        ],
    }
