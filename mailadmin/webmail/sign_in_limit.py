"""Guessing passwords on the sign-in page is made slow: a client address has so many failures a minute and no more.

Counted per process; the hash itself, some 50 ms of work, limits the rest.
"""

from collections import OrderedDict, deque
from threading import Lock

from mailcore.clock import Clock, SystemClock

MAX_FAILURES = 10
WINDOW_S = 60.0
MAX_CLIENTS = 10_000


class SignInLimit:
    """Remembers failures of client addresses; bounded memory."""

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = Lock()

    def must_wait(self, client: str) -> bool:
        """Whether this client has failed too often lately."""
        with self._lock:
            failures = self._failures.get(client)
            start = self._clock.monotonic() - WINDOW_S
            while failures and failures[0] < start:
                failures.popleft()
            return bool(failures) and len(failures) >= MAX_FAILURES

    def failed(self, client: str) -> None:
        """Note a failure."""
        with self._lock:
            failures = self._failures.setdefault(client, deque(maxlen=MAX_FAILURES))
            failures.append(self._clock.monotonic())
            self._failures.move_to_end(client)
            if len(self._failures) > MAX_CLIENTS:
                self._failures.popitem(last=False)
