"""The queue at a glance: for the dashboard, mailq and the metrics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

from mailcore.queue import statements

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class DestinationSummary:
    """What waits for one domain. `deferred` were tried at least once; `next_attempt_at` is None if all are held."""

    destination: str
    recipients: int
    held: int
    deferred: int
    oldest: datetime
    next_attempt_at: datetime | None


@dataclass(frozen=True, slots=True)
class QueueSummary:
    """Sizes are of the wire form; `by_state` counts recipients; `oldest` is None for an empty queue."""

    messages: int
    bytes: int
    recipients: int
    oldest: datetime | None
    by_state: Mapping[str, int]
    destinations: tuple[DestinationSummary, ...]


def summarise(conn: Connection, *, destinations: int = 20) -> QueueSummary:
    """Three queries; the destinations with the most recipients first."""
    states = conn.execute(statements.SUMMARY_BY_STATE).fetchall()
    sizes = conn.execute(statements.SUMMARY_MESSAGES).fetchone()
    rows = conn.execute(statements.SUMMARY_BY_DESTINATION, {"row_limit": destinations}).fetchall()
    return QueueSummary(
        messages=sizes[0] if sizes else 0,
        bytes=sizes[1] if sizes else 0,
        recipients=sum(row[1] for row in states),
        oldest=min((row[2] for row in states), default=None),
        by_state={row[0]: row[1] for row in states},
        destinations=tuple(DestinationSummary(*row) for row in rows),
    )
