"""How long the trace is kept: settings.TRACE_RETENTION_DAYS, enforced by the worker's hourly sweep.

Old events go in small batches, each its own transaction: no long lock, and no bloat that vacuum cannot keep up with.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import psycopg

BATCH = 5000

FORGET = """
DELETE FROM trace_event WHERE id IN (
    SELECT id FROM trace_event WHERE at < %(before)s ORDER BY at LIMIT %(limit)s FOR UPDATE SKIP LOCKED
)
"""


def forget_before(conn: psycopg.Connection[Any], before: datetime, *, batch: int = BATCH) -> int:
    """Remove the events older than `before`; returns how many. Safe to run beside itself and beside searches."""
    removed = 0
    while True:
        with conn.transaction():
            gone = conn.execute(FORGET, {"before": before, "limit": batch}).rowcount
        removed += gone
        if gone < batch:
            return removed
