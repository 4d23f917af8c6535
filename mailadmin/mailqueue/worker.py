"""The composition of a queue worker: from Django's settings to what mailcore.relay.run needs, once per process."""

from __future__ import annotations

import contextlib
import mmap
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import psycopg
import redis
from django.conf import settings

from mailadmin.celery import QUEUE
from mailadmin.mailqueue import watchdog
from mailcore.clock import SystemClock
from mailcore.config import statements as config_statements
from mailcore.config.loader import load_snapshot
from mailcore.config.snapshot import Snapshot
from mailcore.db import status
from mailcore.directory.postgres import PostgresDirectory
from mailcore.events import publish
from mailcore.log import configure, get_logger
from mailcore.maillog.record import Recorder
from mailcore.queue.spool import Spool
from mailcore.relay.connection import tls_contexts
from mailcore.relay.local import LocalDelivery
from mailcore.relay.mx import Resolver
from mailcore.relay.worker import Worker
from mailcore.reply import Reply
from mailcore.routing.lists import FileLists
from mailcore.secretbox import unseal
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]

UNREACHABLE = "mailkeep:unreachable:"
UNREACHABLE_S = 600

log = get_logger(__name__)

# Shared by the parent and the pool it forks. A byte without a lock: a killed process cannot leave it locked.
_stopping = mmap.mmap(-1, 1)


class OneConnection:
    """The connection of a worker process; made anew when it broke. Also looks like a pool of one."""

    def __init__(self, dsn: str, name: str) -> None:
        self._dsn = dsn
        self._name = name
        self._conn: Connection | None = None

    def connection(self) -> Connection:
        if self._conn is None or self._conn.closed:
            self._conn = psycopg.connect(self._dsn, autocommit=True, connect_timeout=5, application_name=self._name)
            # A plan made while the queue is empty would read all of it, and is kept while it grows: a thousand messages
            # per second leave as many dead rows behind until the next VACUUM.
            self._conn.execute("SET enable_seqscan = off")
        return self._conn

    def check(self) -> None:
        """Find out whether the server went away while nothing was to be done. Raises psycopg.OperationalError."""
        try:
            self.connection().execute("SELECT 1")
        except psycopg.OperationalError:
            self.close()
            self.connection().execute("SELECT 1")

    def close(self) -> None:
        if self._conn is not None:
            with contextlib.suppress(psycopg.Error):
                self._conn.close()
        self._conn = None


class _PoolOfOne:
    """What PostgresDirectory asks of a pool."""

    def __init__(self, database: OneConnection) -> None:
        self._database = database

    @contextlib.contextmanager
    def connection(self) -> Iterator[Connection]:
        yield self._database.connection()


class RedisHints:
    """Hints over Redis; whatever goes wrong costs latency only."""

    def __init__(self, url: str) -> None:
        self._redis = publish.connect(url)

    def mailboxes_changed(self, mailbox_ids: Sequence[int]) -> None:
        publish.mailbox_changed(self._redis, mailbox_ids)

    def queue_changed(self) -> None:
        publish.queue_wakeup(self._redis)

    def others_wait(self) -> bool:
        try:
            return bool(self._redis.llen(QUEUE))
        except (redis.RedisError, OSError):
            return False

    def hop_answered(self, hop_key: str, refusal: Reply | None) -> None:
        with contextlib.suppress(redis.RedisError, OSError):
            if refusal is not None and refusal.is_temporary:
                self._redis.set(UNREACHABLE + hop_key, str(refusal), ex=UNREACHABLE_S)
            else:
                self._redis.delete(UNREACHABLE + hop_key)


class CurrentSnapshot:
    """The configuration in force, loaded again when its generation changed."""

    def __init__(self, directory: PostgresDirectory | None = None) -> None:
        self._snapshot: Snapshot | None = None
        self._directory = directory

    def __call__(self, conn: Connection) -> Snapshot:
        row = conn.execute(config_statements.GENERATION).fetchone()
        generation = row[0] if row else 0
        if self._snapshot is None or self._snapshot.generation != generation:
            if self._directory is not None:
                self._directory.forget()
            self._snapshot = load_snapshot(conn)
        return self._snapshot


def is_stopping() -> bool:
    """Whether the parent has been told to end."""
    return _stopping[0] == 1


def build(dsn: str) -> Worker:
    """A worker on that database, and otherwise on Django's settings."""
    database = OneConnection(dsn, "mailkeep worker")
    directory = PostgresDirectory(_PoolOfOne(database))  # type: ignore[arg-type]
    home = settings.MAIL_HOME
    return Worker(
        database=database,
        spool=Spool(home / "spool"),
        local=LocalDelivery(Storage(home / "mail"), directory, FileLists(home / "lists")),
        resolver=Resolver(settings.DNS_SERVER),
        tls_contexts=tls_contexts(),
        snapshot=CurrentSnapshot(directory),
        unseal=lambda token: unseal(settings.SECRET_KEY, token),
        events=Recorder(dsn, home / "log" / "maillog", gather_s=0.4),
        hints=RedisHints(settings.REDIS_URL),
        clock=SystemClock(),
        stopping=is_stopping,
        progress=watchdog.wind,
    )


@lru_cache(maxsize=1)
def _built() -> Worker:
    configure("worker")
    return build(settings.DATABASE_URL)


def current() -> Worker:
    """The worker of this process, with a database that answers. Raises psycopg.OperationalError."""
    worker = _built()
    worker.database.check()  # type: ignore[attr-defined]
    return worker


def forget_inherited() -> None:
    """After a fork: connections and threads belong to the parent."""
    _built.cache_clear()


def close() -> None:
    """Write what the recorder still holds."""
    if _built.cache_info().currsize:
        worker = _built()
        worker.events.close()  # type: ignore[attr-defined]
        worker.database.close()  # type: ignore[attr-defined]
        _built.cache_clear()


class Reporter(threading.Thread):
    """Says every two seconds that this worker lives, and which configuration its next lease will see."""

    def __init__(self, dsn: str) -> None:
        super().__init__(name="reporter", daemon=True)
        self._database = OneConnection(dsn, "mailkeep worker status")
        self._stopping = threading.Event()
        self._started_at = datetime.now(UTC)

    def run(self) -> None:
        while not self._stopping.is_set():
            with contextlib.suppress(psycopg.Error):
                self._report()
            self._stopping.wait(status.REPORT_EVERY_S)
        with contextlib.suppress(psycopg.Error):
            status.forget(self._database.connection())
        self._database.close()

    def stop(self) -> None:
        self._stopping.set()

    def _report(self) -> None:
        conn = self._database.connection()
        row = conn.execute(config_statements.GENERATION).fetchone()
        status.report(conn, status.ProcessReport("worker", 0, self._started_at, row[0] if row else 0))


_reporters: list[Reporter] = []


def start_reporting() -> None:
    """In the parent process, which is the one the supervisor knows."""
    _stopping[0] = 0
    reporter = Reporter(settings.DATABASE_URL)
    _reporters.append(reporter)
    reporter.start()


def stop() -> None:
    """The worker is ending: the pool finishes the messages it is at, and gives the rest of its leases back."""
    _stopping[0] = 1
    for reporter in _reporters:
        reporter.stop()
    _reporters.clear()
