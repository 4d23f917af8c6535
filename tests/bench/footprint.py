"""What a message leaves behind, in bytes: rows of the index with their indexes, trace, WAL, disk flushes.

    python -m tests.bench.footprint [--messages 10000] [--write]

Delivers messages to a fresh appliance, has them read once, and divides by their number what grew. capacity.py
reckons with the result, tests/bench/footprint.json.
"""

from __future__ import annotations

import argparse
import imaplib
import json
import subprocess
import sys
import time
from datetime import date
from pathlib import Path
from typing import Any

import psycopg

from tests.bench.servers import DOMAIN, PASSWORD, ROOT, Appliance, bench_folder

RESULT = Path(__file__).resolve().with_suffix(".json")
USERS = 20
SIZES = """
SELECT coalesce(parent.relname, child.relname), sum(pg_total_relation_size(child.oid))
FROM pg_class child LEFT JOIN pg_inherits ON inhrelid = child.oid LEFT JOIN pg_class parent ON parent.oid = inhparent
WHERE child.relkind IN ('r', 'p') AND child.relnamespace = 'public'::regnamespace
GROUP BY 1
"""
WAL = "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')"
FLUSHES = "SELECT coalesce(sum(fsyncs), 0) FROM pg_stat_io WHERE object = 'wal'"
INDEXED_WITHIN_S, STILL_S = 180.0, 25.0
TABLES = ("message", "trace_event", "search_segment")


class Gauge:
    """Reads what the database holds and has written."""

    def __init__(self, url: str) -> None:
        self._conn = psycopg.connect(url, autocommit=True)

    def read(self) -> dict[str, float]:
        """Bytes of each table with its indexes and TOAST, of WAL since the beginning, and flushes of WAL."""
        sizes = {str(name): float(size) for name, size in self._conn.execute(SIZES)}
        return {**sizes, "wal": self._number(WAL), "flushes": self._number(FLUSHES)}

    def _number(self, statement: str) -> float:
        row = self._conn.execute(statement).fetchone()
        assert row is not None
        return float(row[0])


def measure(messages: int, size: int) -> dict[str, Any]:
    """Bytes per message."""
    with bench_folder() as folder:
        appliance = Appliance(folder / "appliance", users=USERS)
        appliance.start()
        try:
            gauge = Gauge(appliance.database_url)
            deliver(appliance, messages // 10, size)  # the first pages of every table and index
            before = gauge.read()
            deliver(appliance, messages, size)
            delivered = gauge.read()
            read_all(appliance)
            read = gauge.read()
            seen = indexed(gauge)
        finally:
            appliance.stop()
    each = {name: round((seen[name] - before[name]) / messages) for name in TABLES if name in seen}
    return {
        "date": date.today().isoformat(),
        "messages": messages,
        "size": size,
        "row_bytes": each,
        "wal_bytes_delivery": round((delivered["wal"] - before["wal"]) / messages),
        "wal_bytes_first_reading": round((read["wal"] - delivered["wal"]) / messages),
        "wal_flushes_per_message": round((delivered["flushes"] - before["flushes"]) / messages, 3),
    }


def indexed(gauge: Gauge) -> dict[str, float]:
    """When the words of the messages are indexed, which happens in the background."""
    deadline, still_since, known = time.monotonic() + INDEXED_WITHIN_S, time.monotonic(), -1.0
    while time.monotonic() < min(deadline, still_since + STILL_S):
        size = gauge.read().get("search_segment", 0.0)
        if size != known:
            known, still_since = size, time.monotonic()
        time.sleep(1)
    return gauge.read()


def deliver(appliance: Appliance, messages: int, size: int) -> None:
    """As the benchmark's "SMTP to mailbox" does."""
    words = ["e2e", "-s", "20", "-m", str(messages), "-k", "50", "-l", str(size), "--users", str(USERS)]
    command = [sys.executable, "-m", "tests.bench.load", *words, *appliance.options()]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)


def read_all(appliance: Appliance) -> None:
    """What a mail client asks for when it sees a message for the first time."""
    for number in range(USERS):
        client = imaplib.IMAP4("127.0.0.1", appliance.ports["IMAP_PORT"])
        client.login(f"user{number}@{DOMAIN}", PASSWORD)
        client.select()
        client.fetch("1:*", "(UID FLAGS ENVELOPE BODYSTRUCTURE)")
        client.logout()


def main() -> None:
    """Measure and print; with --write keep it for tests/bench/capacity.py."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--write", action="store_true", help=f"write {RESULT.name}")
    options = parser.parse_args()
    text = json.dumps(measure(options.messages, options.size), indent=2)
    print(text)
    if options.write:
        RESULT.write_text(text + "\n")


if __name__ == "__main__":
    main()
