"""What is measured: the rows of suite.py as they are, and those that it lacks, with the figures each one gives.

A row is a command that prints one line of JSON. Rows `of_both` run on the peer too, with the same words; the others
ask something of the appliance that the peer is not built for, or that is a matter of the appliance alone.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench import suite

HERE = Path(__file__).resolve().parent
# Which of suite.py's rows needs the mailboxes that "load.py preload" fills.
PRELOADED = "--first-user 100"
PRELOAD = "preload --first-user 100 --users 4"
# Beyond what suite.py shows: how full the server is that idle connections come on top of, and CPU with the work that
# goes on behind the last message (compare.py).
WITH_WHAT_FOLLOWS = ("with_what_follows.cpu_ms_per_msg", "CPU ms/msg until quiet")
MORE_FIGURES = {
    "smtp": [WITH_WHAT_FOLLOWS],
    "e2e": [WITH_WHAT_FOLLOWS],
    "relay": [WITH_WHAT_FOLLOWS],
    "hold": [
        ("pss_before_mib", "MiB PSS without them"),
        ("processes_held", "processes"),
        ("idle_cpu_s_per_min", "CPU s/min idle"),
    ],
}
# The commas of "1,000 idle IMAP connections" and of "SMTP to mailbox, 20 sessions" separate nothing.
SEPARATOR = re.compile(r",(?![\d ])")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a row: where it is in the result, and its unit."""

    path: str
    unit: str

    @property
    def more_is_better(self) -> bool:
        """Rates; everything else is a cost."""
        return "/s" in self.unit or self.unit.startswith("held")


@dataclass(frozen=True, slots=True)
class Row:
    """One command."""

    name: str
    tool: str
    words: str
    figures: tuple[Figure, ...]
    of_both: bool = True

    @property
    def command(self) -> list[str]:
        """What to run, without the options that name the server."""
        return [sys.executable, "-m", f"tests.bench.{self.tool}", *self.words.split()]

    @property
    def text(self) -> str:
        """The command for people."""
        return f"{self.tool}.py {self.words}".strip()

    @property
    def needs_preload(self) -> bool:
        return PRELOADED in self.words

    def matches(self, wanted: str) -> bool:
        """Whether its name or command contains one of the comma separated parts; all do when there are none."""
        parts = [part.strip().lower() for part in SEPARATOR.split(wanted) if part.strip()]
        return not parts or any(part in f"{self.name} {self.text}".lower() for part in parts)


def _of_suite(name: str, words: str) -> Row:
    kind, _, _ = words.partition(" ")
    figures = [*suite.FIGURES[kind], *MORE_FIGURES.get(kind, [])]
    return Row(name, "load", words, tuple(Figure(path, unit) for path, unit in figures))


MANY_IDLE = Row(
    "10,000 idle IMAP connections",
    "many_idle",
    "-c 10000 --users 200 -m 100",
    (
        Figure("held", "held"),
        Figure("notified", "held and told"),
        Figure("accept_to_exists.p50_ms", "ms p50 after 250"),
        Figure("accept_to_exists.p99_ms", "ms p99 after 250"),
        Figure("accept_to_exists.max_ms", "ms max after 250"),
        Figure("pss_kib_each", "KiB PSS each"),
        Figure("idle_cpu_s_per_min", "CPU s/min idle"),
    ),
    of_both=False,
)
LARGE = Row(
    "4 messages of 50 MiB at once",
    "large",
    "-n 4 --mib 50",
    (
        Figure("receive.pss_mib_each", "MiB PSS each, receiving"),
        Figure("serve.pss_mib_each", "MiB PSS each, serving"),
        Figure("serve_slowly.pss_mib_each", "MiB PSS each, serving slow readers"),
        Figure("receive.mb_per_s", "MB/s received"),
        Figure("serve.mb_per_s", "MB/s served"),
    ),
    of_both=False,
)
_SUITE = [_of_suite(name, words) for name, words in suite.ROWS]
# Memory first: what a connection costs above a server that has done little yet.
ROWS = (
    *(row for row in _SUITE if row.words.startswith("hold")),
    *(row for row in _SUITE if not row.words.startswith("hold")),
    MANY_IDLE,
    LARGE,
)


def row_named(name: str) -> Row:
    """Raises KeyError."""
    return {row.name: row for row in ROWS}[name]
