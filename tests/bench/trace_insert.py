#!/usr/bin/env python3
"""What one event of the trace costs PostgreSQL: tests/bench/trace_insert.py DATABASE_URL

Stores events as the programs do (mailcore.maillog.record.store), as of one moment: two for each message, 100 messages a
batch. `cpu_us` is the CPU of the connection's own server process for each event, everything in it: COPY, indexes, the
counters. Prints one JSON line for each figure. The events stay: use a database that is made for it (panel_scale.py).
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))  # run as a script from anywhere
from mailcore.maillog.event import Accepted, DeliveredLocally, Event
from mailcore.maillog.record import store

MESSAGES, BATCHES = 100, 100


def main(url: str) -> None:
    """Store, and say what it cost."""
    with psycopg.connect(url, autocommit=True) as conn:
        start = time.time_ns()
        for batch in range(5):
            store(conn, events(start, batch - 5))
        wal, cpu, began = wal_bytes(conn), cpu_ns(conn), time.perf_counter()
        for batch in range(BATCHES):
            store(conn, events(start, batch))
        count = 2 * MESSAGES * BATCHES
        report("trace: one event stored", "cpu_us", (cpu_ns(conn) - cpu) / 1000 / count)
        report("trace: one event stored", "us", (time.perf_counter() - began) * 1e6 / count)
        report("trace: one event stored", "wal_bytes", (wal_bytes(conn) - wal) / count)


def events(start: int, batch: int) -> list[Event]:
    """A message from one of many, to one of many, accepted and delivered."""
    made: list[Event] = []
    for number in range(MESSAGES):
        key = hash((start, batch, number)) & 0xFFFFFFFFFFFF
        queue_id, at = f"B{key:013X}", datetime.now(UTC)
        recipient = f"user{key % 100_000:06}@big.example"
        made.append(
            Accepted(
                at=at, queue_id=queue_id, session_id=f"s{key // 7:013X}", client_address=f"192.{key % 4}.{key % 251}.9",
                client_name="mail.example", sender=f"writer{key % 20_000}@out{key % 3000}.example",
                recipients=(recipient,), size=4096, message_id=f"<{key:x}.{number}@out.example>",
            )
        )  # fmt: skip
        made.append(DeliveredLocally(at=at, queue_id=queue_id, recipient=recipient, delay_s=0.1))
    return made


def cpu_ns(conn: psycopg.Connection[tuple[int]]) -> int:
    """CPU of the server process behind the connection, on this machine."""
    return int(Path(f"/proc/{conn.info.backend_pid}/schedstat").read_text().split()[0])


def wal_bytes(conn: psycopg.Connection[tuple[int]]) -> int:
    """How much has been written to the log so far, by everybody."""
    row = conn.execute("SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint").fetchone()
    return row[0] if row else 0


def report(row: str, metric: str, value: float) -> None:
    """One line for each figure."""
    print(json.dumps({"row": row, "metric": metric, "value": round(value, 1)}))


if __name__ == "__main__":
    main(sys.argv[1])
