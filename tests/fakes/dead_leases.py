"""Ends the leases of workers that were killed, so that a test need not wait until they end by themselves (45 s).

That they do is shown by tests/integration/test_queue_leases.py, and by the long fault runs, which wait. What comes
then is the same: the scheduler finds an ended lease and makes its recipients due again.
"""

from __future__ import annotations

import time
from typing import Any
from uuid import UUID

import psycopg

from mailcore.queue import leases

# What was begun ends later than what only waits for a worker (mailcore.queue.leases).
BEGUN = """
SELECT DISTINCT lease FROM queue_recipient
WHERE state = 'leased' AND lease_until > now() + make_interval(secs => %s)
"""
END = "UPDATE queue_recipient SET lease_until = now() WHERE state = 'leased' AND lease = %s"
# A worker that has lost its connection has lost its lock with it, and writes down what it is doing a moment later.
UNHELD_FOR_S = 2.0


class DeadLeases:
    """`end(conn)` again and again, on an autocommit connection; `ended` counts."""

    def __init__(self) -> None:
        self.ended = 0
        self._unheld_since: dict[UUID, float] = {}

    def end(self, conn: psycopg.Connection[Any]) -> None:
        """End what was begun and is locked by nobody (leases.take_up), now and for UNHELD_FOR_S."""
        now = time.monotonic()
        begun = {lease for (lease,) in conn.execute(BEGUN, [leases.HANDOVER_S])}
        self._unheld_since = {lease: since for lease, since in self._unheld_since.items() if lease in begun}
        for lease in begun:
            if not leases.take_up(conn, lease):
                self._unheld_since.pop(lease, None)
                continue
            if now - self._unheld_since.setdefault(lease, now) >= UNHELD_FOR_S:
                self.ended += conn.execute(END, [lease]).rowcount
            leases.put_down(conn, lease)
