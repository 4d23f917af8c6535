"""What an administrator may do to queued mail, in the panel and through the API.

mailcore's operations, with the audit log, the trace and a wakeup for the scheduler.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import redis
from django.conf import settings
from django.db import connection
from psycopg.conninfo import make_conninfo

from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record_deed
from mailadmin.database import raw_connection
from mailcore.events import publish
from mailcore.maillog.record import Recorder
from mailcore.queue import operations


@dataclass(frozen=True, slots=True)
class QueueDeed:
    """One operation, its name in the audit log, and whether something may be due afterwards."""

    name: str
    operation: Callable[..., int]
    wakes: bool


RETRY = QueueDeed("retry", operations.retry_now, True)
HOLD = QueueDeed("hold", operations.hold, False)
RELEASE = QueueDeed("release", operations.release, True)
DELETE = QueueDeed("delete", operations.delete, False)


def act(
    deed: QueueDeed, actor: Actor, key: str, *, message_ids: Sequence[int] = (), recipient_ids: Sequence[int] = ()
) -> int:
    """Do it; returns to how many recipients it applied."""
    count = deed.operation(
        raw_connection(),
        message_ids=message_ids,
        recipient_ids=recipient_ids,
        recorder=_recorder(_dsn()),
        by=actor.name,
    )
    if count:
        changes = {"action": deed.name, "recipients": count}
        record_deed(actor, AuditEntry.Action.DID, "queue message", key, changes)
        if deed.wakes:
            publish.queue_wakeup(_redis(settings.REDIS_URL))
    return count


def _dsn() -> str:
    database = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return make_conninfo("", **{name: database[key] for name, key in names.items() if database.get(key)})


@lru_cache(maxsize=1)
def _recorder(dsn: str) -> Recorder:
    # One per process, made by the first request after gunicorn has forked.
    return Recorder(dsn, settings.MAIL_HOME / "log" / "maillog")


@lru_cache(maxsize=1)
def _redis(url: str) -> redis.Redis:
    return publish.connect(url)
