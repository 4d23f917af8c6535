"""A look into the spool: the header of a queued message, as it will be sent."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings

from mailadmin.mailqueue.models import QueueMessage
from mailcore.queue.spool import Spool

MAX_HEADER_BYTES = 64 * 1024


def queued_headers(message: QueueMessage) -> str | None:
    """The header as text; None when the spool file cannot be read from here."""
    spool = Spool(Path(settings.MAIL_HOME) / "spool")
    try:
        with spool.open(message.queue_id, message.content_offset) as content:
            start = content.read_range(0, MAX_HEADER_BYTES)
    except (OSError, ValueError):
        return None
    header, _, _ = start.partition(b"\r\n\r\n")
    return header.decode("utf-8", "replace").replace("\r\n", "\n")
