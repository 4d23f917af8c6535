"""The two facts on every page of the panel: which server this is, and how much waits in its queue."""

from __future__ import annotations

from mailadmin.mailqueue.models import QueueRecipient
from mailadmin.transport.models import ServerSettings


def host_name() -> str:
    """myhostname, for the line under the logo."""
    return ServerSettings.objects.values_list("myhostname", flat=True).first() or ""


def queue_badge() -> str:
    """How many recipients wait; nothing when the queue is empty."""
    waiting = QueueRecipient.objects.count()
    return str(waiting) if waiting else ""
