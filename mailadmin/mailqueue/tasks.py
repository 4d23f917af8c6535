"""Celery tasks of the queue: doors, not rooms. Arguments are lease tokens, never messages."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import UUID

from celery import shared_task
from celery.signals import worker_process_init, worker_process_shutdown, worker_ready, worker_shutting_down
from django.conf import settings
from django.utils import timezone

from mailadmin.mailqueue import watchdog, worker
from mailadmin.trace.retention import forget_before, make_partitions
from mailcore.delivery.recovery import recover
from mailcore.queue import operations
from mailcore.queue.spool import SWEEP_AGE_S
from mailcore.relay import accepted
from mailcore.relay.run import run_lease
from mailcore.store import files, layout


@shared_task(acks_late=True, reject_on_worker_lost=True, ignore_result=True)
def deliver_batch(lease: str) -> None:
    """Work off one lease. Safe to run twice: without a valid lease it does nothing."""
    with watchdog.watching():
        run_lease(worker.current(), UUID(lease))


@shared_task(acks_late=True, ignore_result=True)
def sweep_spool() -> None:
    """Remove spool files that no message owns: left by a crash before COMMIT, or by a deletion in the panel; and what
    was never received to its end; and what workers that were killed had been told by other hosts.
    """
    here = worker.current()
    accepted.sweep(here.spool.root, time.time() - accepted.SWEEP_AGE_S)
    here.spool.sweep(lambda queue_ids: operations.known_queue_ids(here.database.connection(), queue_ids))
    files.remove_older(str(here.local.storage.root / layout.UPLOADS), time.time() - SWEEP_AGE_S)


@shared_task(acks_late=True, ignore_result=True)
def recover_journals() -> None:
    """Make good what journals of machines hold that have died and do not come back. One listing where there is none."""
    recover(worker.current().database.connection(), settings.MAIL_HOME, wait=False)


@shared_task(acks_late=True, ignore_result=True)
def sweep_trace() -> None:
    """Make room in the trace for the weeks to come, and forget those that are older than TRACE_RETENTION_DAYS."""
    conn, now = worker.current().database.connection(), timezone.now()
    make_partitions(conn, now)
    forget_before(conn, now - timedelta(days=settings.TRACE_RETENTION_DAYS))


@worker_process_init.connect
def _forked(**_: object) -> None:
    worker.forget_inherited()


@worker_process_shutdown.connect
def _ending(**_: object) -> None:
    worker.close()


@worker_ready.connect
def _ready(**_: object) -> None:
    worker.start_reporting()


@worker_shutting_down.connect
def _stopping(**_: object) -> None:
    worker.stop()
