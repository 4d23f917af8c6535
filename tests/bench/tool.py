"""Running one measuring tool: a command that prints a line of JSON on standard output and words on standard error."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

from tests.bench.servers import ROOT

LONGEST_S = 600.0


class NoResult(Exception):
    """A tool gave none."""


def run(command: list[str], *, longest_s: float = LONGEST_S) -> dict[str, Any]:
    """What it reports. Raises NoResult."""
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=longest_s)
    except subprocess.TimeoutExpired as error:
        raise NoResult(f"not finished after {error.timeout:.0f} s") from error
    said = done.stderr.strip().splitlines()
    for line in said[-3:]:
        say(f"    {line[:300]}")
    try:
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (IndexError, ValueError) as error:
        raise NoResult(said[-1] if said else f"exit code {done.returncode}") from error
    return found


def run_load(words: str, options: list[str]) -> dict[str, Any]:
    """load.py with the options that name a server. Raises NoResult."""
    return run([sys.executable, "-m", "tests.bench.load", *words.split(), *options])


def stop_on_sigterm() -> None:
    """Leave through every `finally` when told to stop, so that the servers are stopped too. Forked tools just end."""
    own = os.getpid()

    def stop(*_: object) -> None:
        if os.getpid() != own:
            os._exit(0)
        sys.exit("stopped")

    signal.signal(signal.SIGTERM, stop)


def say(text: str) -> None:
    """Progress, for whoever watches."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)
