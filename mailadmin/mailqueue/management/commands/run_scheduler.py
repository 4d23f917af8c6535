"""manage.py run_scheduler: the scheduler of the queue, until SIGTERM or SIGINT."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from mailadmin.mailqueue.scheduler import CeleryHandOver, Scheduler, Wakeups
from mailcore.log import configure


class Command(BaseCommand):
    """Composition and signals; the work is in mailadmin.mailqueue.scheduler."""

    help = "Hands queued mail that is due to the queue workers. One process per appliance; a second one stands by."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        configure("scheduler")
        stopping = threading.Event()

        def stop(number: int, frame: FrameType | None) -> None:
            stopping.set()

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        workers = int(os.environ.get("QUEUE_WORKERS") or 4)
        scheduler = Scheduler(settings.DATABASE_URL, Wakeups(settings.REDIS_URL), CeleryHandOver(), workers=workers)
        scheduler.run(stopping.is_set)
