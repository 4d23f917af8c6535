"""How much each client does now: connections and messages, counted in the memory of one process.

Counts only; what is too much is decided by mailcore.policy. With several processes each sees its share.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque

from mailcore.clock import Clock

WINDOW_S = 60.0
MAX_CLIENTS = 20_000


class ClientCounts:
    """Connections open now, and messages of the last minute, by client address."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._connections: Counter[str] = Counter()
        self._messages: OrderedDict[str, deque[float]] = OrderedDict()

    def opened(self, client: str) -> int:
        """Count a connection; returns how many the client has now."""
        self._connections[client] += 1
        return self._connections[client]

    def closed(self, client: str) -> None:
        """A connection has ended."""
        if self._connections[client] > 1:
            self._connections[client] -= 1
        else:
            del self._connections[client]

    def messages(self, client: str) -> int:
        """Messages the client began within the last minute."""
        times = self._messages.get(client)
        if not times:
            return 0
        oldest = self._clock.monotonic() - WINDOW_S
        while times and times[0] <= oldest:
            times.popleft()
        return len(times)

    def count_message(self, client: str) -> None:
        """The client begins a message."""
        times = self._messages.setdefault(client, deque())
        times.append(self._clock.monotonic())
        self._messages.move_to_end(client)
        if len(self._messages) > MAX_CLIENTS:
            self._messages.popitem(last=False)
