"""The arithmetic of docs/scaling.md: what so many accounts need, reckoned from what was measured.

    python -m tests.bench.capacity [--write]

Takes rates from docs/benchmarks.md by the names of their rows and sizes from tests/bench/footprint.json; what people
do all day is assumed (Habits). --write puts the tables between the markers of docs/scaling.md. It measures nothing.
"""

from __future__ import annotations

import argparse
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
BENCHMARKS = ROOT / "docs" / "benchmarks.md"
SCALING = ROOT / "docs" / "scaling.md"
FOOTPRINT = HERE / "footprint.json"
OURS = "Mailkeep"
ACCOUNTS = (1_000, 10_000, 100_000, 1_000_000)
DAY_S = 86_400
KIB, GIB, TIB = 2**10, 2**30, 2**40

DELIVERY = ("SMTP to mailbox, 20 sessions", "msg/s")
DELIVERY_CPU = ("SMTP to mailbox, 20 sessions", "CPU ms/msg")
RELAY = ("SMTP to sink (relay), 20 sessions", "msg/s")
LOGINS = ("IMAP, 1 connection, 10,000 messages", "logins/s")
IDLE = ("1,000 idle IMAP connections", "MiB PSS")
NEEDED = (DELIVERY, DELIVERY_CPU, RELAY, LOGINS, IDLE)


@dataclass(frozen=True, slots=True)
class Habits:
    """What an account does, and how much of a node is used at the busiest time. All of it is assumed."""

    received_a_day: float = 40
    sent_a_day: float = 8
    kept_messages: float = 5_000
    message_kib: float = 75
    # The busiest hour against the average one.
    peak: float = 3
    # Connections that IDLE at the busiest time, for each account.
    connections: float = 0.3
    # Phones come back that often.
    login_every_s: float = 1_800
    trace_days: float = 60
    # The rest is for the failure of a node, and for what was not reckoned.
    used: float = 0.5


@dataclass(frozen=True, slots=True)
class Measured:
    """One node of the size that the benchmark names, and one message."""

    deliveries_s: float
    delivery_cpu_ms: float
    relayed_s: float
    logins_s: float
    connection_kib: float
    index_bytes: float
    search_bytes: float
    trace_bytes: float
    wal_bytes: float
    wal_flushes: float


def figures(page: str, column: str = OURS) -> dict[tuple[str, str], float]:
    """Our figure of each row of the page's tables, by the row's name and the figure's; the first one counts."""
    found: dict[tuple[str, str], float] = {}
    place, row = -1, ""
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if column in cells:
            place = cells.index(column)
        elif 1 < place < len(cells):
            row = cells[0].partition("<br>")[0].strip() or row
            value = re.match(r"-?[\d,]*\.?\d+(?:e[+-]?\d+)?", cells[place].strip("* "))
            if value:
                found.setdefault((row, cells[1].strip(" ↑↓")), float(value[0].replace(",", "")))
        elif not cells:
            place = -1
    return found


def measured(page: str, footprint: dict[str, Any]) -> Measured:
    """What was measured. Raises KeyError with the name of a row that is not there."""
    of = figures(page)
    rows = footprint["row_bytes"]
    return Measured(
        deliveries_s=of[DELIVERY],
        delivery_cpu_ms=of[DELIVERY_CPU],
        relayed_s=of[RELAY],
        logins_s=of[LOGINS],
        connection_kib=of[IDLE] * KIB / 1_000,
        index_bytes=rows["message"],
        search_bytes=rows.get("search_segment", 0),
        trace_bytes=rows["trace_event"],
        wal_bytes=footprint["wal_bytes_delivery"] + footprint["wal_bytes_first_reading"],
        wal_flushes=footprint["wal_flushes_per_message"],
    )


@dataclass(frozen=True, slots=True)
class Need:
    """What so many accounts need. `nodes` is the largest of the three numbers of nodes."""

    accounts: int
    habits: Habits
    node: Measured

    @property
    def deliveries_s(self) -> float:
        return self.accounts * self.habits.received_a_day * self.habits.peak / DAY_S

    @property
    def sent_s(self) -> float:
        return self.accounts * self.habits.sent_a_day * self.habits.peak / DAY_S

    @property
    def connections(self) -> float:
        return self.accounts * self.habits.connections

    @property
    def logins_s(self) -> float:
        return self.connections / self.habits.login_every_s

    @property
    def shares(self) -> dict[str, float]:
        """Nodes' worth of each kind of work, when a node may be used that far. They add up: it is the same machine."""
        used = self.habits.used
        return {
            "delivery": self.deliveries_s / self.node.deliveries_s / used,
            "relay": self.sent_s / self.node.relayed_s / used,
            "login": self.logins_s / self.node.logins_s / used,
        }

    @property
    def nodes(self) -> int:
        """At least two: one may fail."""
        return max(2, math.ceil(sum(self.shares.values())))

    @property
    def delivery_cores(self) -> float:
        return self.deliveries_s * self.node.delivery_cpu_ms / 1_000

    @property
    def connection_gib(self) -> float:
        return self.connections * self.node.connection_kib * KIB / GIB

    @property
    def kept(self) -> float:
        return self.accounts * self.habits.kept_messages

    @property
    def mail_tib(self) -> float:
        return self.kept * self.habits.message_kib * KIB / TIB

    @property
    def index_gib(self) -> float:
        return self.kept * (self.node.index_bytes + self.node.search_bytes) / GIB

    @property
    def trace_gib(self) -> float:
        a_day = self.accounts * (self.habits.received_a_day + self.habits.sent_a_day)
        return a_day * self.habits.trace_days * self.node.trace_bytes / GIB

    @property
    def wal_gib_a_day(self) -> float:
        return self.accounts * self.habits.received_a_day * self.node.wal_bytes / GIB

    @property
    def content_mib_s(self) -> float:
        return self.deliveries_s * self.habits.message_kib / KIB

    @property
    def wal_flushes_s(self) -> float:
        return self.deliveries_s * self.node.wal_flushes


LINES: tuple[tuple[str, Callable[[Need], float]], ...] = (
    ("deliveries/s at the peak", lambda need: need.deliveries_s),
    ("messages sent/s at the peak", lambda need: need.sent_s),
    ("IMAP connections at once", lambda need: need.connections),
    ("logins/s", lambda need: need.logins_s),
    ("cores for deliveries, PostgreSQL's included", lambda need: need.delivery_cores),
    ("memory of the connections, GiB", lambda need: need.connection_gib),
    ("**nodes of the measured size**", lambda need: need.nodes),
    ("mail, TiB", lambda need: need.mail_tib),
    ("mail written at the peak, MiB/s", lambda need: need.content_mib_s),
    ("index, GiB", lambda need: need.index_gib),
    ("trace, GiB", lambda need: need.trace_gib),
    ("WAL a day, GiB", lambda need: need.wal_gib_a_day),
    ("WAL flushes/s at the peak, as measured", lambda need: need.wal_flushes_s),
)


def text_of(value: float) -> str:
    """Two digits that count."""
    if value >= 100:
        return f"{float(f'{value:.2g}'):,.0f}"
    return f"{value:.2g}"


def tables(node: Measured, footprint: dict[str, Any], habits: Habits) -> str:
    """Both tables in Markdown."""
    units = (
        (f"one node delivers, {DELIVERY[0]}", f"{node.deliveries_s:,.0f} messages/s"),
        ("CPU for one, everything counted", f"{node.delivery_cpu_ms:.2f} ms"),
        (f"one node relays, {RELAY[0]}", f"{node.relayed_s:,.0f} messages/s"),
        ("logins", f"{node.logins_s:,.0f}/s"),
        ("an idle IMAP connection", f"{node.connection_kib:.1f} KiB"),
        ("a message's row with its indexes, after the first reading", f"{node.index_bytes:,.0f} bytes"),
        ("its share of the search index", f"{node.search_bytes:,.0f} bytes"),
        ("its events in the trace", f"{node.trace_bytes:,.0f} bytes"),
        ("WAL for delivery and first reading", f"{node.wal_bytes:,.0f} bytes"),
        ("flushes of WAL for one delivery, in batches", f"{node.wal_flushes:.3f}"),
    )
    parts = ["| measured | |", "|---|---:|", *(f"| {name} | {value} |" for name, value in units), ""]
    parts += [f"Sizes: {footprint['messages']:,} messages of {footprint['size']:,} bytes, {footprint['date']}.", ""]
    needs = [Need(accounts, habits, node) for accounts in ACCOUNTS]
    parts += ["| accounts | " + " | ".join(f"{need.accounts:,}" for need in needs) + " |"]
    parts += ["|---|" + "---:|" * len(needs)]
    parts += [f"| {name} | " + " | ".join(text_of(of(need)) for need in needs) + " |" for name, of in LINES]
    return "\n".join(parts)


def between(page: str, text: str, name: str = "capacity") -> str:
    """The page with the text between its markers. Raises ValueError without them."""
    start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    head, found, rest = page.partition(start)
    _, also, tail = rest.partition(end)
    if not (found and also):
        raise ValueError(f"no markers for {name}")
    return f"{head}{start}\n{text}\n\n{end}{tail}"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables, or write them into the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="into docs/scaling.md")
    options = parser.parse_args(arguments)
    footprint = json.loads(FOOTPRINT.read_text())
    text = tables(measured(BENCHMARKS.read_text(), footprint), footprint, Habits())
    if options.write:
        SCALING.write_text(between(SCALING.read_text(), text))
    else:
        print(text)


if __name__ == "__main__":
    main()
