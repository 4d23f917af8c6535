"""A pool process that hangs ends: the kernel's alarm clock, wound up whenever the work on a lease goes on.

The clock is the kernel's because what hangs may be a loop in C that lets no Python code run. Its signal has the
default action, so the process is gone at once; its lease is then taken up again, and counted (mailcore.queue.states).
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager

# The work says that it goes on every ten seconds while it waits for other hosts or for the database. Between two such
# moments lie at most a connection and a TLS handshake of 30 s each, or one flush of a slow disk.
HANGS_AFTER_S = 120.0


def wind() -> None:
    """The work goes on."""
    signal.setitimer(signal.ITIMER_REAL, HANGS_AFTER_S)


@contextmanager
def watching() -> Iterator[None]:
    """End this process when nobody calls `wind` for too long."""
    before = signal.signal(signal.SIGALRM, signal.SIG_DFL)
    wind()
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
