"""The Celery application: hands leases from the scheduler to worker processes, and no more than that.

The truth is in the queue rows, so the broker may lose everything at any time: a lease that nobody took up ends and is
claimed again, a task that comes twice finds its lease taken or gone. Hence no results, no retries by Celery, no ETA
(over Redis such a task comes again after the visibility timeout).
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mailadmin.settings")

from django.conf import settings

QUEUE = "mailqueue"

app = Celery("mailkeep", amqp="mailadmin.mailqueue.broker:Amqp")
app.conf.update(
    broker_url=settings.REDIS_URL,
    broker_transport="mailadmin.mailqueue.broker:Transport",
    broker_connection_retry_on_startup=True,
    # For ever: a worker without a broker waits for it instead of ending.
    broker_connection_max_retries=None,
    broker_connection_timeout=5,
    broker_transport_options={
        # After this time an unacknowledged task comes again. Longer than any lease works, so it only ever brings back
        # tasks of workers that died; and those leases have ended long before.
        "visibility_timeout": 3600,
        "socket_timeout": 30,
        "socket_connect_timeout": 5,
        "socket_keepalive": True,
        "health_check_interval": 15,
    },
    task_default_queue=QUEUE,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    task_ignore_result=True,
    task_serializer="json",
    accept_content=["json"],
    result_backend=None,
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_detect_quorum_queues=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    timezone="UTC",
    imports=("mailadmin.mailqueue.tasks", "mailadmin.mailboxes.tasks"),
)
