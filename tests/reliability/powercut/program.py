"""The program that strace watches: `python -m tests.reliability.powercut.program`, one JSON line per path.

A mutant is told by `leave_out`, a pattern of paths for which fsync and fdatasync do nothing, or by `quick_commit`.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from mailcore.delivery.recovery import journals
from mailcore.identity import AccountRef
from mailcore.store.journal import Journal
from tests.reliability.powercut.paths import PATHS, Recorded, World

_REAL: dict[str, Callable[[Any], None]] = {"fsync": os.fsync, "fdatasync": os.fdatasync}


def say(**what: Any) -> None:
    """One line, one system call."""
    os.write(1, json.dumps(what).encode() + b"\n")


def leave_out(pattern: str) -> None:
    """Take out the syncs of files whose path matches; with an empty pattern all of them work."""
    for name, real in _REAL.items():
        setattr(os, name, _selective(real, pattern) if pattern else real)


def _selective(real: Callable[[Any], None], pattern: str) -> Callable[[Any], None]:
    def sync(file: Any) -> None:
        number = file if isinstance(file, int) else file.fileno()
        if not re.search(pattern, os.readlink(f"/proc/self/fd/{number}")):
            real(file)

    return sync


def _journal(home: Path, path: Recorded) -> Journal:
    return Journal(journals(home), home, segment_bytes=path.segment_bytes, keep_s=path.keep_s)


def main() -> None:
    say(ready=True)
    for line in sys.stdin:
        order = json.loads(line)
        accounts = {each[1].partition("@")[0]: AccountRef(*each) for each in order["accounts"]}
        leave_out(order["leave_out"])
        with psycopg.connect(order["url"], autocommit=True) as conn:
            if order["quick_commit"]:
                conn.execute("SET synchronous_commit = off")
            home, path = Path(order["home"]), PATHS[order["path"]]
            say(prepared=order["number"])
            sys.stdin.readline()
            journal = _journal(home, path) if path.journal else None
            path.run(World(home, conn, accounts, say, journal))
            say(done=order["number"])
            if journal is not None:
                journal.close()


if __name__ == "__main__":
    main()
