"""What a running process says of itself: its row in process_status, refreshed every two seconds."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg

REPORT_EVERY_S = 2.0
STALE_AFTER_S = 10.0

REPORT = """
INSERT INTO process_status (role, number, host, pid, started_at, generation, listening, seen_at)
VALUES (%(role)s, %(number)s, %(host)s, %(pid)s, %(started_at)s, %(generation)s, %(listening)s, now())
ON CONFLICT (host, pid) DO UPDATE SET role = EXCLUDED.role, number = EXCLUDED.number,
    started_at = EXCLUDED.started_at, generation = EXCLUDED.generation, listening = EXCLUDED.listening, seen_at = now()
"""
ALIVE = """
SELECT count(*) FROM process_status WHERE role = %(role)s AND seen_at > now() - %(stale_after_s)s * interval '1 second'
"""
FORGET = "DELETE FROM process_status WHERE host = %(host)s AND (pid = %(pid)s OR seen_at < now() - interval '1 hour')"


@dataclass(frozen=True, slots=True)
class ProcessReport:
    """Role ("smtpd", "accessd", "scheduler", "worker"), number within the role, and the configuration it runs."""

    role: str
    number: int
    started_at: datetime
    generation: int
    listening: tuple[str, ...] = ()


def report(conn: psycopg.Connection[Any], process: ProcessReport) -> None:
    """Write this process's row. Raises psycopg.Error; callers go on without."""
    conn.execute(
        REPORT,
        {
            "role": process.role,
            "number": process.number,
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "started_at": process.started_at,
            "generation": process.generation,
            "listening": list(process.listening),
        },
    )


def count_alive(conn: psycopg.Connection[Any], role: str) -> int:
    """How many processes of this role report, on all nodes together. Raises psycopg.Error."""
    row = conn.execute(ALIVE, {"role": role, "stale_after_s": STALE_AFTER_S}).fetchone()
    return int(row[0]) if row else 0


def forget(conn: psycopg.Connection[Any]) -> None:
    """Remove this process's row when it ends, and rows of this host that nobody refreshed for an hour."""
    conn.execute(FORGET, {"host": socket.gethostname(), "pid": os.getpid()})
