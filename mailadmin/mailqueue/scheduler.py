"""The scheduler: finds what is due, leases it, and hands the leases to the workers.

One process (a second one waits until the first is gone). It wakes on the "queue" event or after a second, whichever
comes first, and everything it knows is in the queue rows: it can be killed at any time, as can the broker. A lease that
could not be handed over is given back; one that nobody took up, or whose worker died, ends by itself.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import psycopg
import redis
from kombu.exceptions import OperationalError

from mailadmin.celery import QUEUE
from mailadmin.mailqueue.worker import UNREACHABLE, CurrentSnapshot, OneConnection
from mailcore.clock import Clock, SystemClock
from mailcore.config.snapshot import Snapshot
from mailcore.db import status
from mailcore.events.publish import QUEUE_CHANNEL
from mailcore.log import get_logger
from mailcore.queue import claiming, leases, operations
from mailcore.queue.records import ClaimedLease, OpenLease
from mailcore.relay.hops import LOCAL_KEY, HopKeys

LOOK_EVERY_S = 1.0
# At least between two looks. What becomes due alone is handed out at once.
PACE_S = 0.03
# What is due for a destination that is being served is left to the worker there for this long.
PATIENCE_S = 0.1
RETRY_S = 1.0
SWEEP_EVERY_S = 3600.0
RECLAIM_EVERY_S = 1.0
INDEX_EVERY_S = 20.0
RECOVER_EVERY_S = 60.0
# Two looks this far apart at an empty broker, with leases that nobody took up: their tasks are lost.
LOST_AFTER_S = 1.0
# A next hop that did not answer is tried by one worker, for many recipients at once.
UNREACHABLE_BATCH = 1000
# Leases beyond what the workers can hold at once, so that none of them waits for the scheduler.
AHEAD = 2
_ONLY_ONE = 0x6D61696C6B656570  # "mailkeep": the advisory lock of the one scheduler

log = get_logger(__name__)


class HandOver(Protocol):
    """What the scheduler asks of Celery."""

    def deliver(self, lease: UUID) -> None:
        """Give a lease to a worker. Raises kombu's OperationalError."""

    def sweep(self) -> None:
        """Have the spool and the trace swept, and forgotten which messages were removed long ago."""

    def index(self) -> None:
        """Have the search index catch up."""

    def recover(self) -> None:
        """Have the journals of dead machines made good."""


class CeleryHandOver:
    """Over the broker, without Celery's own retries: what does not get through is given back."""

    def deliver(self, lease: UUID) -> None:
        from mailadmin.mailqueue.tasks import deliver_batch

        deliver_batch.apply_async(args=[str(lease)], retry=False)

    def sweep(self) -> None:
        from mailadmin.mailboxes.tasks import forget_expunged
        from mailadmin.mailqueue.tasks import sweep_spool, sweep_trace

        sweep_spool.apply_async(retry=False)
        sweep_trace.apply_async(retry=False)
        forget_expunged.apply_async(retry=False)

    def index(self) -> None:
        from mailadmin.mailboxes.tasks import extend_search_index

        # One that waited longer is overtaken by the next.
        extend_search_index.apply_async(retry=False, expires=INDEX_EVERY_S)

    def recover(self) -> None:
        from mailadmin.mailqueue.tasks import recover_journals

        recover_journals.apply_async(retry=False, expires=RECOVER_EVERY_S)


class Wakeups:
    """Waits for the "queue" event, or for the time to pass when there is no Redis."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=5, health_check_interval=15)
        self._pubsub: Any = None

    def wait(self, seconds: float) -> None:
        """Until an event comes; several that have come meanwhile count as one."""
        try:
            if self._pubsub is None:
                self._pubsub = self._client.pubsub(ignore_subscribe_messages=True)
                self._pubsub.subscribe(QUEUE_CHANNEL)
                return  # something may have been missed
            limit = time.monotonic() + seconds
            while (left := limit - time.monotonic()) > 0:
                if self._pubsub.get_message(timeout=left) is not None:
                    break
            while self._pubsub.get_message(timeout=0) is not None:
                pass
        except (redis.RedisError, OSError):
            self.close()
            time.sleep(seconds)

    def unreachable(self, hop_key: str) -> bool:
        """Whether a worker could not reach this next hop a short while ago."""
        try:
            return bool(self._client.exists(UNREACHABLE + hop_key))
        except (redis.RedisError, OSError):
            return False

    def broker_is_empty(self) -> bool:
        """Whether the broker knows of no task at all, waiting or with a worker."""
        try:
            return not self._client.llen(QUEUE) and not self._client.hlen("unacked")
        except (redis.RedisError, OSError):
            return False

    def close(self) -> None:
        if self._pubsub is not None:
            self._pubsub.close()
        self._pubsub = None


class Scheduler:
    """`tick` looks once; `run` looks until `stop` says so."""

    def __init__(
        self,
        dsn: str,
        wakeups: Wakeups,
        hand_over: HandOver,
        *,
        workers: int,
        clock: Clock | None = None,
    ) -> None:
        self._database = OneConnection(dsn, "mailkeep scheduler")
        self._wakeups = wakeups
        self._hand_over = hand_over
        self._workers_of_a_node = self._workers = workers
        self._clock = clock or SystemClock()
        self._current = CurrentSnapshot()
        self._hop_keys = HopKeys(Snapshot())
        self._started_at = datetime.now(UTC)
        self._due_times: dict[str, float] = {}
        # Leases handed over and not known to be taken up yet, with the end they had then.
        self._handed_over: dict[UUID, datetime] = {}
        self._suspected: set[UUID] = set()
        # When a next hop was last seen to have a lease.
        self._last_held: dict[str, float] = {}
        self._is_all_claimed = True
        self._in_charge: psycopg.Connection[Any] | None = None

    def run(self, stop: Callable[[], bool]) -> None:
        """Until told to stop. Survives the database, Redis and the broker being away."""
        while not stop():
            began = time.monotonic()
            try:
                self.tick()
            except psycopg.Error as error:
                log.warning("database_unavailable", error=str(error).strip())
                self._database.close()
                time.sleep(RETRY_S)
                continue
            self._wakeups.wait(LOOK_EVERY_S if self._is_all_claimed else PATIENCE_S)
            time.sleep(max(began + (PACE_S if self._is_all_claimed else PATIENCE_S) - time.monotonic(), 0.0))
        self._close()

    def tick(self) -> int:
        """Claim what is due and hand it over; returns how many leases. Raises psycopg.Error."""
        conn = self._database.connection()
        snapshot = self._current(conn)
        if self._is_time("report", status.REPORT_EVERY_S):
            status.report(conn, status.ProcessReport("scheduler", 0, self._started_at, snapshot.generation))
            # Each node has one program of them, with as many processes as this one's environment says.
            self._workers = self._workers_of_a_node * max(1, status.count_alive(conn, "worker"))
        if not self._is_in_charge(conn):
            return 0
        if self._hop_keys.snapshot is not snapshot:
            self._hop_keys = HopKeys(snapshot)
        if self._is_time("forget", SWEEP_EVERY_S):
            self._last_held.clear()
        if self._is_time("reclaim", RECLAIM_EVERY_S) and (count := leases.reclaim_ended(conn, self._clock.now())):
            log.info("leases_ended", recipients=count)
        if self._is_time("sweep", SWEEP_EVERY_S):
            self._sweep(conn)
        if self._is_time("index", INDEX_EVERY_S):
            with contextlib.suppress(OperationalError, redis.RedisError, OSError):
                self._hand_over.index()
        if self._is_time("recover", RECOVER_EVERY_S):
            with contextlib.suppress(OperationalError, redis.RedisError, OSError):
                self._hand_over.recover()
        return self._hand_out(conn, self._claim(conn, snapshot))

    def _claim(self, conn: psycopg.Connection[Any], snapshot: Snapshot) -> list[ClaimedLease]:
        held = Counter(self._hop_keys(lease.address, lease.sender) for lease in self._open_leases(conn))
        self._last_held.update(dict.fromkeys(held, time.monotonic()))
        now = self._clock.now()
        unreachable: dict[str, bool] = {}

        def is_unreachable(key: str) -> bool:
            if key not in unreachable:
                unreachable[key] = self._wakeups.unreachable(key)
            return unreachable[key]

        def room(key: str) -> int:
            limit = min(snapshot.destination_concurrency_limit, self._workers + AHEAD)
            return (1 if is_unreachable(key) else limit) - held[key]

        def size(key: str) -> int:
            return UNREACHABLE_BATCH if is_unreachable(key) else claiming.BATCH_SIZE

        def is_served(key: str, due_since: datetime) -> bool:
            # The worker at this destination comes back for more by itself, and sooner than another would be there.
            is_busy = time.monotonic() - self._last_held.get(key, -math.inf) < PATIENCE_S
            return is_busy and key != LOCAL_KEY and (now - due_since).total_seconds() < PATIENCE_S

        claim = claiming.claim_due(
            conn,
            now,
            self._hop_keys,
            room,
            batch_size=size,
            may_wait=is_served,
            with_sender=bool(snapshot.sender_rules),
            # To look past a hundred thousand that have to wait is not cheap.
            is_thorough=self._is_time("thorough", LOOK_EVERY_S),
        )
        self._is_all_claimed = claim.is_all
        return list(claim.leases)

    def _open_leases(self, conn: psycopg.Connection[Any]) -> list[OpenLease]:
        """Leases in force. Those whose task the broker has lost are given back without waiting for their end."""
        found = leases.open_leases(conn)
        waiting = [one.lease for one in found if self._handed_over.get(one.lease) == one.until]
        self._handed_over = {lease: self._handed_over[lease] for lease in waiting}
        if not waiting or not self._is_time("broker", LOST_AFTER_S):
            return found
        # Suspected, then seen again: between two keys of the broker a task is in neither for a moment.
        suspected, self._suspected = self._suspected, set()
        if not self._wakeups.broker_is_empty():
            return found
        self._suspected = set(waiting)
        lost = suspected & self._suspected
        for lease in lost:
            leases.give_back(conn, lease)
        if lost:
            log.warning("tasks_lost", leases=len(lost))
        return [one for one in found if one.lease not in lost]

    def _hand_out(self, conn: psycopg.Connection[Any], claimed: list[ClaimedLease]) -> int:
        for number, lease in enumerate(claimed):
            try:
                self._hand_over.deliver(lease.lease)
                self._handed_over[lease.lease] = lease.until
            except (OperationalError, redis.RedisError, OSError) as error:
                log.warning("broker_unavailable", error=str(error).strip())
                for rest in claimed[number:]:
                    leases.give_back(conn, rest.lease)
                time.sleep(RETRY_S)
                return number
        return len(claimed)

    def _sweep(self, conn: psycopg.Connection[Any]) -> None:
        operations.remove_empty(conn)
        try:
            self._hand_over.sweep()
        except (OperationalError, redis.RedisError, OSError):
            self._due_times["sweep"] = time.monotonic() + RETRY_S

    def _is_in_charge(self, conn: psycopg.Connection[Any]) -> bool:
        if self._in_charge is not conn:
            row = conn.execute("SELECT pg_try_advisory_lock(%s)", [_ONLY_ONE]).fetchone()
            self._in_charge = conn if row and row[0] else None
        return self._in_charge is conn

    def _is_time(self, what: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due_times.get(what, 0.0):
            return False
        self._due_times[what] = now + every_s
        return True

    def _close(self) -> None:
        try:
            status.forget(self._database.connection())
        except psycopg.Error:
            return
        finally:
            self._database.close()
            self._wakeups.close()
