"""Queued messages for tests of the panel."""

from datetime import timedelta
from itertools import count
from typing import Any

from django.utils import timezone

from mailadmin.mailqueue.models import QueueMessage, QueueRecipient

_numbers = count(1)


def queued(*recipients: str, sender: str = "alice@linuxadmin.dev", **fields: Any) -> QueueMessage:
    """A message with these recipients, waiting for their next attempt in five minutes."""
    now = timezone.now()
    message = QueueMessage.objects.create(
        queue_id=f"4KTESTQUEUE{next(_numbers):05d}",
        sender=sender,
        size=1234,
        received_at=now - timedelta(minutes=7),
        expires_at=now + timedelta(days=5),
        message_id="<1@linuxadmin.dev>",
    )
    for address in recipients:
        QueueRecipient.objects.create(
            message=message,
            address=address,
            original=address,
            destination=address.rpartition("@")[2],
            **{"next_attempt_at": now + timedelta(minutes=5), **fields},
        )
    return message
