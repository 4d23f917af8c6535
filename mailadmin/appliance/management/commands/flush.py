"""`manage.py flush` (sendmail -q, postqueue -f): everything that waits is tried now."""

from typing import Any

from django.core.management.base import BaseCommand

from mailadmin.audit.record import Actor
from mailadmin.mailqueue.actions import RETRY, act
from mailadmin.mailqueue.models import QueueMessage


class Command(BaseCommand):
    """Makes all waiting recipients due."""

    help = "Try all queued mail now, as postqueue -f does."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        ids = list(QueueMessage.objects.values_list("id", flat=True))
        count = act(RETRY, Actor("shell"), "all", message_ids=ids) if ids else 0
        self.stdout.write(f"{count} recipients will be tried now.")
