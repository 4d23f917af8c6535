"""Who asks without an account may ask so often a minute and no more. Counted per process, in bounded memory."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock

from mailcore.clock import Clock, SystemClock

# A client asks two or three times when an account is set up; those behind one network set up several at once.
MAX_REQUESTS = 120
WINDOW_S = 60.0
MAX_CLIENTS = 10_000


class RateLimit:
    """Counts requests of clients, named by their networks, in windows of a minute."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()
        self._lock = Lock()

    def wait_of(self, client: str) -> int:
        """Count a request; how many seconds this client has to wait, 0 if it need not."""
        now = self._clock.monotonic()
        with self._lock:
            start, count = self._windows.pop(client, (now, 0))
            if now - start >= WINDOW_S:
                start, count = now, 0
            self._windows[client] = (start, count + 1)
            if len(self._windows) > MAX_CLIENTS:
                self._windows.popitem(last=False)
        return 0 if count < MAX_REQUESTS else max(1, int(start + WINDOW_S - now))
