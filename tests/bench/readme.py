"""The figures in README.md: the block between two marks, made of the same results as docs/benchmarks.md."""

from __future__ import annotations

from pathlib import Path

from tests.bench.figures import cell, number
from tests.bench.journal import Journal
from tests.bench.rows import row_named
from tests.bench.servers import ROOT, Appliance, Peer

README = ROOT / "README.md"
BEGIN, END = "<!-- figures -->", "<!-- /figures -->"
# What it is called for people, the row, the path of the figure, its unit.
SHOWN = (
    ("SMTP to mailbox, 20 clients", "SMTP to mailbox, 20 sessions", "delivered_per_s", "messages/s"),
    ("the same, connections kept", "SMTP to mailbox, 20 sessions, 100 per connection", "delivered_per_s", "messages/s"),
    ("the same, 10 recipients", "SMTP to mailbox, 20 sessions, 10 recipients", "delivered_per_s", "deliveries/s"),
    ("CPU per message delivered", "SMTP to mailbox, 20 sessions", "server.cpu_ms_per_msg", "ms"),
    ("relay", "SMTP to sink, 20 sessions, 100 per connection", "relayed_per_s", "messages/s"),
    ("IMAP logins, 4 clients", "IMAP, 4 connections, 10,000 messages each", "phases.login.per_s", "/s"),
    (
        "SEARCH TEXT in 10,000 messages",
        "IMAP, 1 connection, 10,000 messages",
        "phases.search.text.again_ms",
        "ms",
    ),
    ("from 250 to the IDLE notification", "SMTP to IDLE notification", "accept_to_exists.p50_ms", "ms"),
    ("1,000 idle IMAP connections", "1,000 idle IMAP connections", "pss_mib_per_1000", "MiB"),
)


class MarksMissing(Exception):
    """README.md has no place for the figures."""


def write(results: Path, target: Path = README) -> None:
    """Rewrite the block. Raises MarksMissing."""
    target.write_text(replaced(target.read_text(), block(Journal(results))))


def replaced(text: str, figures: str) -> str:
    """`text` with another block between the marks, everything else untouched. Raises MarksMissing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise MarksMissing(f"README.md needs the lines {BEGIN} and {END}")
    return f"{before}{BEGIN}\n{figures}\n{END}{after}"


def block(journal: Journal) -> str:
    """A table of what both servers were measured at; a figure that one of them lacks is left out."""
    lines = []
    for name, row, path, unit in SHOWN:
        attempts = journal.newest(row)
        theirs, ours = (cell(attempts, label, path).median for label in (Peer.label, Appliance.label))
        if theirs and ours:
            more_is_better = next(f.more_is_better for f in row_named(row).figures if f.path == path)
            times = ours / theirs if more_is_better else theirs / ours
            lines.append(f"| {name}, {unit} | {number(theirs)} | {number(ours)} | {number(round(times, 1))}× |")
    if not lines:
        return "`make bench` measures this appliance beside Postfix + Dovecot and puts the figures here."
    facts = journal.sessions_of(a for _, row, _, _ in SHOWN for a in journal.newest(row))
    return "\n".join(
        [
            f"| [one run](docs/benchmarks.md) of `make bench` | {Peer.label} | {Appliance.label} | better |",
            "|---|---:|---:|---:|",
            *lines,
            *(["", f"{facts[-1]['machine']}."] if facts else []),
        ]
    )
