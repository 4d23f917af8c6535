"""Keep a server still while another one is measured: all of its processes are stopped (SIGSTOP), then go on.

Both servers are up during a run, so that one row can be measured on one right after the other. The one whose turn it
is not must cost nothing, neither its background work nor its timers, and must be as warm afterwards as it was before.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.bench.loads.meter import Meter


@contextmanager
def frozen(roots: list[int]) -> Iterator[None]:
    """`roots` and all their descendants do nothing inside the block."""
    stopped: list[int] = []
    try:
        # Until nobody is found who was started while the others were being stopped.
        while new := [pid for pid in Meter(roots).tree() if pid not in stopped]:
            for pid in new:
                stopped.append(pid)
                _signal(pid, signal.SIGSTOP)
        yield
    finally:
        # Children first: a supervisor that wakes up finds everybody at work.
        for pid in reversed(stopped):
            _signal(pid, signal.SIGCONT)


def _signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
