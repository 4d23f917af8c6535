"""Recording paths: one program under strace does them one after the other, each on a home and a database of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from mailcore.identity import AccountRef
from mailcore.message.wire import to_wire
from tests.contract.mailbox_support import connect, insert_account
from tests.fixtures_servers import ROOT
from tests.reliability.powercut import database
from tests.reliability.powercut.database import Dump, Proxy, Version
from tests.reliability.powercut.disk import Disk
from tests.reliability.powercut.paths import PATHS, World
from tests.reliability.powercut.survival import ALL, tree
from tests.reliability.powercut.trace import TRACED, Call, read_trace

STRACE = ["strace", "-f", "-s", "10000000", "-e", f"trace={TRACED}", "-e", "signal=none"]


@dataclass(frozen=True, slots=True)
class Said:
    """Something the program said, and when."""

    at: int
    what: dict[str, Any]


@dataclass(repr=False)
class Recording:
    """One path, recorded. Its times are line numbers of the trace."""

    path: str
    url: str
    accounts: dict[str, AccountRef]
    disk: Disk
    before: list[dict[str, Any]]
    dumps: list[tuple[int, Dump]]
    port: int
    said: list[Said] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    # What the queue wrote itself, in wire form.
    reports: frozenset[bytes] = frozenset()

    def take(self, calls: list[Call], lines: list[Said]) -> None:
        """The part of the trace that belongs to this path, from its connection to the database on."""
        begun = next(each.at for each in lines if "prepared" in each.what)
        self.said = [each for each in lines if each.at > begun]
        self.versions = database.versions(self.dumps, calls, self.port)
        self.disk.take(call for call in calls if call.start > begun)
        whole = tree(self.disk, [(change, ALL) for change in self.disk.changes]).values()
        self.reports = frozenset(to_wire(entry[1]) for entry in whole if entry and b"multipart/report" in entry[1])


class Recorder:
    """Use `record` for each path, then `recordings`. Needs strace and the right to trace a child."""

    def __init__(self, folder: Path, create_database: Callable[[], str]) -> None:
        if shutil.which("strace") is None:
            pytest.fail("strace is needed to record system calls: apt install strace")
        self._folder = folder
        self._create_database = create_database
        self._trace = folder / "trace"
        self._recorded: list[Recording] = []
        program = [sys.executable, "-m", "tests.reliability.powercut.program"]
        self._program = subprocess.Popen(
            program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, bufsize=1
        )
        self._hear("ready")
        self._strace = subprocess.Popen(
            [*STRACE, "-o", str(self._trace), "-p", str(self._program.pid)],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._strace.stderr is not None
        if "attached" not in (told := self._strace.stderr.readline()):
            pytest.fail(f"strace cannot trace here (it needs ptrace): {told}")

    def record(self, path: str, *, leave_out: str = "", quick_commit: bool = False) -> None:
        """Do one path; as a mutant without the syncs of files whose path matches, or of COMMITs."""
        number = len(self._recorded)
        home = self._folder / f"home{number}"
        for name in ("mail", "spool/queue", "spool/incoming"):
            (home / name).mkdir(parents=True)
        url = self._create_database()
        with connect(url) as conn:
            accounts = {name: insert_account(conn, name, store=store) for name, store in PATHS[path].accounts.items()}
            before = _prepare(path, home, conn, accounts)
        proxy = Proxy(url)
        refs = [[a.id, a.address, a.store, a.quota_bytes] for a in accounts.values()]
        mutant = {"leave_out": leave_out, "quick_commit": quick_commit}
        self._tell(number=number, path=path, home=str(home), url=proxy.url, accounts=refs, **mutant)
        self._hear("prepared")
        proxy.begin()
        disk = Disk(home)
        self._tell(go=True)
        self._hear("done")
        assert proxy.connections == 1, "the recorder can tell the COMMITs of one connection apart, not of several"
        proxy.close()
        self._recorded.append(Recording(path, url, accounts, disk, before, proxy.dumps, proxy.port))

    def recordings(self) -> list[Recording]:
        """End the program and read the trace."""
        assert self._program.stdin is not None
        self._program.stdin.close()
        assert self._program.wait(timeout=30) == 0
        self._strace.wait(timeout=30)
        with self._trace.open() as lines:
            calls = read_trace(lines)
        for recording, (part, said) in zip(self._recorded, _parts(calls), strict=True):
            recording.take(part, said)
        return self._recorded

    def close(self) -> None:
        """End what still runs."""
        for process in (self._program, self._strace):
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                if stream is not None:
                    stream.close()

    def _tell(self, **what: Any) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(json.dumps(what) + "\n")
        self._program.stdin.flush()

    def _hear(self, word: str) -> None:
        assert self._program.stdout is not None
        while line := self._program.stdout.readline():
            if word in json.loads(line):
                return
        pytest.fail(f"the recorded program ended before it said {word!r}")


@contextmanager
def recorder(folder: Path, create_database: Callable[[], str]) -> Iterator[Recorder]:
    """A Recorder that leaves nothing running."""
    made = Recorder(folder, create_database)
    try:
        yield made
    finally:
        made.close()


def _prepare(
    path: str, home: Path, conn: psycopg.Connection[Any], accounts: dict[str, AccountRef]
) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = []
    PATHS[path].prepare(World(home, conn, accounts, lambda **what: said.append(what)))
    return said


def _parts(calls: list[Call]) -> Iterator[tuple[list[Call], list[Said]]]:
    """The calls of each path, with what the program said in between."""
    part: list[Call] = []
    said: list[Said] = []
    for call in calls:
        part.append(call)
        if call.name == "write" and call.arguments[0] == "1":
            said.append(Said(call.end, json.loads(call.text(1))))
            if "done" in said[-1].what:
                yield part, said
                part, said = [], []
