"""The two facts on every page of the panel: which server this is, and how much waits in its queue."""

from __future__ import annotations

from mailadmin.counting import count_up_to
from mailadmin.mailqueue.models import QueueRecipient
from mailadmin.transport.models import ServerSettings

# The badge stands on every page, and no one reads more digits beside a word.
MANY = 999


def host_name() -> str:
    """myhostname, for the line under the logo."""
    return ServerSettings.objects.values_list("myhostname", flat=True).first() or ""


def queue_badge() -> str:
    """How many recipients wait, counted up to MANY; nothing when the queue is empty."""
    waiting = count_up_to(QueueRecipient.objects.all(), MANY)
    if waiting > MANY:
        return f"{MANY}+"
    return str(waiting) if waiting else ""
