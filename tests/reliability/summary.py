"""From the rows that the fault runs have kept to the summary in docs/reliability.md, between its two markers.

`python -m tests.reliability.summary` is the last step of `make soak`. A run that failed is written as failed; a promise
whose runs have left no row is written as not run.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "tests" / "artifacts" / "reliability" / "soak"
PAGE = ROOT / "docs" / "reliability.md"
BEGIN, END = "<!-- summary: written by make soak -->", "<!-- end of the summary -->"

# Number, module (or the beginning of its name), promise.
PROMISES = (
    (1, "test_chaos", "`kill -9` of every process at random, 40 connections: nothing acknowledged is lost"),
    (2, "test_services_away", "PostgreSQL away, Valkey away, both: everybody waits, then everything flows"),
    (3, "test_disk_full", "Disk full: refused for now, nothing half-written, recovery when there is space"),
    (4, "test_power_cut", "Power cut at any moment: what was acknowledged is readable, once"),
    (5, "test_two_nodes", "Two nodes on one mailbox: no UID twice, no flag lost, no MOVE doubled"),
    (6, "test_poison", "A message that crashes a parser or a worker stops nobody else"),
    (7, "test_backpressure", "Senders and readers that are too fast or too slow: memory stays bounded"),
)


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one test."""

    test: str
    outcome: str
    seconds: float
    error: str = ""
    records: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @property
    def module(self) -> str:
        return Path(self.test.partition("::")[0]).stem

    @property
    def failed(self) -> bool:
        return self.outcome != "passed"


@dataclass(frozen=True, slots=True)
class Machine:
    """Where and when it ran."""

    date: str
    cores: int
    memory_gib: int
    kernel: str
    python: str

    @classmethod
    def this(cls) -> Machine:
        found = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.M)
        return cls(
            date=f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            cores=os.cpu_count() or 1,
            memory_gib=round(int(found[1]) / (1 << 20)) if found else 0,
            kernel=f"{platform.system()} {platform.release().partition('-')[0]}",
            python=platform.python_version(),
        )


def read_rows(folder: Path) -> list[Row]:
    """All rows, in the order of their tests."""
    found = [json.loads(path.read_text()) for path in folder.glob("*.json")]
    return [Row(**each) for each in sorted(found, key=lambda each: str(each["test"]))]


def summary(rows: Sequence[Row], machine: Machine) -> str:
    """The generated part of the page."""
    seconds = sum(row.seconds for row in rows)
    lines = [
        f"Run of {machine.date}: {machine.cores} cores, {machine.memory_gib} GiB, {machine.kernel}, "
        f"Python {machine.python}; {seconds:.0f} s in all.",
        "",
        "| | promise | tests | failed | seconds |",
        "|---|---|---|---|---|",
        *(_promise_line(number, promise, _of(rows, module)) for number, module, promise in PROMISES),
        "",
        *_failures([row for row in rows if row.failed]),
        "| | run | seconds | figures |",
        "|---|---|---|---|",
        *(_figures_line(number, row, each) for number, module, _ in PROMISES for row, each in _records(rows, module)),
    ]
    return "\n".join(lines)


def replace(page: str, text: str) -> str:
    """The page with a new summary. Raises ValueError when the place for it cannot be found."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError("the page has no place for the summary")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"


def _of(rows: Sequence[Row], module: str) -> list[Row]:
    return [row for row in rows if row.module.startswith(module)]


def _records(rows: Sequence[Row], module: str) -> list[tuple[Row, Mapping[str, Any]]]:
    return [(row, each) for row in _of(rows, module) for each in row.records]


def _promise_line(number: int, promise: str, rows: Sequence[Row]) -> str:
    if not rows:
        return f"| {number} | {promise} | not run | | |"
    failed = sum(row.failed for row in rows)
    return f"| {number} | {promise} | {len(rows)} | {failed or 'none'} | {sum(row.seconds for row in rows):.0f} |"


def _failures(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    return [*(f"- **Failed**: `{row.test}`: {_cell(row.error or row.outcome)}" for row in rows), ""]


def _figures_line(number: int, row: Row, record: Mapping[str, Any]) -> str:
    name = _cell(str(record["promise"])) + (" (**failed**)" if row.failed else "")
    figures = "<br>".join(f"{_cell(_words(key))}: {_cell(value)}" for key, value in record["figures"].items())
    return f"| {number} | {name} | {row.seconds:.0f} | {figures} |"


def _cell(value: object) -> str:
    """A value in a table: dicts and lists in words, nothing that ends the cell."""
    if isinstance(value, Mapping):
        return "; ".join(f"{_cell(_words(key))} {_nested(each)}" for key, each in value.items()) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(_nested(each) for each in value) or "none"
    return " ".join(str(value).split()).replace("|", "\\|").replace("<", "&lt;")


def _nested(value: object) -> str:
    return f"({_cell(value)})" if isinstance(value, Mapping) else _cell(value)


def _words(name: object) -> str:
    return str(name).replace("_", " ")


def main() -> int:
    """Write the page. Returns 1 when a run failed or a promise was not tried."""
    rows = read_rows(ROWS)
    PAGE.write_text(replace(PAGE.read_text(), summary(rows, Machine.this())))
    missing = [number for number, module, _ in PROMISES if not _of(rows, module)]
    failed = [row.test for row in rows if row.failed]
    print(f"docs/reliability.md: {len(rows)} tests, failed: {failed or 'none'}, promises not run: {missing or 'none'}")
    return int(bool(failed or missing))


if __name__ == "__main__":
    sys.exit(main())
