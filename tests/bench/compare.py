"""Measure this appliance and Postfix + Dovecot side by side, row by row in turn, and write docs/benchmarks.md.

    make bench [RUNS=3] [ONLY=words,words] [AGAIN=1] [RESULTS=file]
    python -m tests.bench.compare [--runs 3] [--only WORDS] [--again] [--retries 2] [--results FILE] [--page-only]

For every run both servers begin with fresh directories on the same disk. Each row is measured on one and then on the
other, in changing order, while the one whose turn it is not is frozen (freeze.py). A row during which other programs
used the machine is repeated. Every attempt is kept in the results (journal.py), so an interrupted comparison goes on
where it was, and a row that fails, or a server that ends, does not take the others along. Needs root; the peer's Debian
packages are installed if they are missing.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from tests.bench import machine, page, readme, suite
from tests.bench.freeze import frozen
from tests.bench.journal import Attempt, Journal
from tests.bench.loads.meter import Meter
from tests.bench.panel import PANEL, panel_figures
from tests.bench.rows import PRELOAD, ROWS, Row
from tests.bench.servers import ROOT, USERS, Appliance, Peer, ServerError, bench_folder
from tests.bench.tool import NoResult, run, run_load, say, stop_on_sigterm

RESULTS = ROOT / "var" / "bench" / "results.jsonl"
Server = Appliance | Peer
# Everybody has mail already, as on a server in use.
FIRST_MAIL = f"smtp -s 20 -m {10 * USERS} -k 100 --users {USERS}"
SETTLE_S, SETTLE_AT_MOST = 40.0, 10


class Pair:
    """The servers of one run: started when a row first needs them, started anew when one has ended."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(0o755)
        self._servers: dict[str, Server] = {
            Peer.label: Peer(folder / "p"),
            Appliance.label: Appliance(folder / "m"),
        }
        self._up: dict[str, Server] = {}
        self._preloaded: set[str] = set()

    @contextmanager
    def turn_of(self, label: str, row: Row) -> Any:
        """That server, ready for the row, with the other one frozen."""
        server = self._ready(label)
        others = [other for other in self._up.values() if other is not server and other.is_alive()]
        with frozen([pid for other in others for pid in other.pids()]) if others else nullcontext():
            server.wait()
            if row.needs_preload and label not in self._preloaded:
                say(f"filling mailboxes of {label}")
                run_load(PRELOAD, server.options())
                settle(server)
                self._preloaded.add(label)
            yield server

    def stop(self) -> None:
        """Stop what was started."""
        for server in self._up.values():
            server.stop()

    def _ready(self, label: str) -> Server:
        server = self._servers[label]
        if label in self._up and not server.is_alive():
            say(f"{label} has ended and is started anew:\n{server.log_end()}")
            self._up.pop(label).stop()
            self._preloaded.discard(label)
        if label not in self._up:
            say(f"starting {label}")
            self._up[label] = server
            server.start()
            run_load(FIRST_MAIL, server.options())
        return server


def settle(server: Server) -> None:
    """Wait until what the server does behind its replies (indexes, caches) is done, as it is when a user comes: it has
    used less than a tenth of a processor for 40 s.
    """
    for _ in range(SETTLE_AT_MOST):
        meter = Meter(server.pids()).start()
        time.sleep(SETTLE_S)
        used = meter.stop()["server"]
        if used["cpu_user_s"] + used["cpu_sys_s"] < SETTLE_S / 10:
            return
    say(f"{server.label} is still at work behind its replies")


class Comparison:
    """Rows, runs, and the journal they go to."""

    def __init__(self, journal: Journal, session: str, generations: dict[str, int], retries: int) -> None:
        self._journal, self._session = journal, session
        self._generations, self._retries = generations, retries

    def is_done(self, row: Row, label: str, run: int) -> bool:
        return self._journal.is_done(row.name, label, run, self._generations[row.name])

    def missing(self, rows: Sequence[Row], run: int) -> list[tuple[Row, str]]:
        """What a run still needs, in the order in which it is measured: rows in turn, the first server in turn too."""
        wanted = []
        for number, row in enumerate(rows):
            labels = [Peer.label, Appliance.label] if row.of_both else [Appliance.label]
            ordered = labels[::-1] if (number + run) % 2 else labels
            wanted += [(row, label) for label in ordered if not self.is_done(row, label, run)]
        return wanted

    def run(self, number: int, wanted: Sequence[tuple[Row, str]], folder: Path) -> None:
        """Measure what a run needs on fresh directories below `folder`."""
        with ExitStack() as stack:
            pair = Pair(folder / f"run{number}")
            stack.callback(pair.stop)
            for position, (row, label) in enumerate(wanted, 1):
                say(f"run {number}, {position} of {len(wanted)}: {row.name}, {label} ({row.text})")
                try:
                    with pair.turn_of(label, row) as server:
                        self._measure(number, row, server)
                except (ServerError, NoResult, OSError, subprocess.SubprocessError) as error:
                    self._keep(row, label, number, noisy=False, last=True, error=str(error) or repr(error))

    def panel(self, number: int = 1) -> None:
        """The pages of the panel and the lists of the API with large tables: no peer, a database of its own."""
        say(f"{PANEL.name} ({PANEL.text})")
        try:
            self._keep(PANEL, Appliance.label, number, noisy=not suite.quiet(), last=True, result=panel_figures())
        except (OSError, subprocess.SubprocessError, ServerError, ValueError) as error:
            self._keep(PANEL, Appliance.label, number, noisy=False, last=True, error=str(error))

    def _measure(self, number: int, row: Row, server: Server) -> None:
        """Until undisturbed, or out of patience; whatever came is kept."""
        for left in range(self._retries, -1, -1):
            noisy = not suite.quiet()
            meter = Meter(server.pids()).start()
            result = run([*row.command, *server.options()])
            noisy = noisy or suite.disturbed(result)
            suite.quiet()
            result["with_what_follows"] = with_what_follows(meter, result)
            last = not noisy or left == 0
            self._keep(row, server.label, number, noisy=noisy, last=last, result=result)
            if last:
                return
            say("disturbed by other programs: once more")

    def _keep(self, row: Row, label: str, number: int, *, noisy: bool, last: bool, **outcome: Any) -> None:
        if outcome.get("error"):
            say(f"no result: {outcome['error']}")
        self._journal.add(
            Attempt(
                row.name, row.text, label, number, self._generations[row.name], self._session, noisy, last, **outcome
            )
        )


def with_what_follows(meter: Meter, result: dict[str, Any]) -> dict[str, float]:
    """What the server used from before the first connection until it was quiet again: a queue that is still worked
    off, an index that is filled in the background. For each message that load.py counted, if it did.
    """
    used = meter.stop()["server"]
    cpu_s = used["cpu_user_s"] + used["cpu_sys_s"]
    count = next((result[name] for name in ("delivered", "relayed", "accepted") if result.get(name)), 0)
    return {"cpu_s": round(cpu_s, 2), **({"cpu_ms_per_msg": round(1000 * cpu_s / count, 3)} if count else {})}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name or command contains one of these, comma separated")
    parser.add_argument("--again", action="store_true", help="measure these rows anew; the page shows the new figures")
    parser.add_argument("--retries", type=int, default=2, help="of a row during which other programs used the machine")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--parent", type=Path, default=Path("/var/tmp"), help="where both servers keep their data")
    parser.add_argument("--page-only", action="store_true", help="measure nothing, write the page")
    return parser.parse_args()


def compare(args: argparse.Namespace) -> None:
    """Everything that is missing in the results."""
    journal = Journal(args.results)
    rows = [row for row in ROWS if row.matches(args.only)]
    session = journal.begin(machine.facts(args.parent))
    generations = {row.name: max(1, journal.generation(row.name) + args.again) for row in (*rows, PANEL)}
    comparison = Comparison(journal, session, generations, args.retries)
    with bench_folder(args.parent) as folder:
        for number in range(1, args.runs + 1):
            if wanted := comparison.missing(rows, number):
                comparison.run(number, wanted, folder)
    if PANEL.matches(args.only) and not comparison.is_done(PANEL, Appliance.label, 1):
        comparison.panel()


def main() -> None:
    args = parse()
    stop_on_sigterm()
    if not args.page_only:
        if os.geteuid():
            sys.exit("make bench starts Postfix and Dovecot, which takes root")
        compare(args)
    if not args.results.exists():
        sys.exit(f"no results in {args.results}")
    page.write(args.results)
    readme.write(args.results)
    say("docs/benchmarks.md and the figures in README.md are written")


if __name__ == "__main__":
    main()
