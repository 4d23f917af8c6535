"""How long the trace is kept: settings.TRACE_RETENTION_DAYS, enforced by the worker's hourly sweep.

A week is a partition (migration 0003): when all of it is too old it is dropped whole, in milliseconds and without work
for vacuum, and the weeks to come get theirs in advance. So events live up to a week longer than asked for. Those of a
week without a partition are kept in the default one; nothing is lost when nobody sweeps for a while.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

# How far ahead there are partitions: for so long nobody has to sweep.
AHEAD = timedelta(days=14)

MAKE = "SELECT trace_make_partitions(%(first)s::date, %(last)s::date)"
FORGET = "SELECT trace_forget_before(%(before)s::timestamptz)"


def make_partitions(conn: psycopg.Connection[Any], now: datetime) -> int:
    """Partitions for the weeks around now; returns how many were missing."""
    around = {"first": (now - timedelta(days=1)).date(), "last": (now + AHEAD).date()}
    return _number(conn, MAKE, around)


def forget_before(conn: psycopg.Connection[Any], before: datetime) -> int:
    """Drop the weeks that ended by `before`; returns how many. Raises LockNotAvailable while somebody reads on."""
    return _number(conn, FORGET, {"before": before})


def _number(conn: psycopg.Connection[Any], statement: str, parameters: dict[str, Any]) -> int:
    row = conn.execute(statement, parameters).fetchone()
    return int(row[0]) if row else 0
