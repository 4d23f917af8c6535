"""The running processes as they report themselves (mailcore.db.status)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import class_row

from mailadmin.status import statements
from mailcore.db.status import STALE_AFTER_S

# What an appliance needs; the web process is the one that answers.
ROLES = ("smtpd", "accessd", "scheduler", "worker")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; not `alive` when it has not reported for STALE_AFTER_S."""

    role: str
    number: int
    host: str
    pid: int
    started_at: datetime
    generation: int
    listening: list[str]
    seen_at: datetime
    alive: bool
    uptime_s: float
    unseen_s: float

    @property
    def name(self) -> str:
        return f"{self.role} {self.number}" if self.number else self.role


def processes(conn: psycopg.Connection[Any]) -> list[Process]:
    """Every process of the last hour, the newest of each place only."""
    with conn.cursor(row_factory=class_row(Process)) as cursor:
        return cursor.execute(statements.PROCESSES, {"stale_after_s": STALE_AFTER_S}).fetchall()


def config_generation(conn: psycopg.Connection[Any]) -> int:
    """The configuration that is committed now."""
    row = conn.execute(statements.GENERATION).fetchone()
    return int(row[0]) if row else 0
