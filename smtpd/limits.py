"""How much each client does now: connections and messages, counted in the memory of one process.

Counts only; what is too much is decided by mailcore.policy. With several processes each sees its share.
"""

from __future__ import annotations

from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from mailcore.clock import Clock
from mailcore.config.snapshot import Snapshot
from mailcore.log import get_logger
from mailcore.tls_server import MOST_TO_BE_TOLD
from smtpd.client import address_of

WINDOW_S = 60.0
MAX_CLIENTS = 20_000
MOST_HANDSHAKES = 1000
"""Of all clients of a process at a time."""

log = get_logger(__name__)


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

    def connections(self, client: str) -> int:
        """How many the client has open."""
        return self._connections.get(client, 0)

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


class Handshakes:
    """Clients of ports that begin with TLS, from accept to the end of the handshake (mailcore.tls_server). Who has too
    many connections is told so inside TLS, therefore a few more than allowed may shake hands.
    """

    def __init__(self, counts: ClientCounts, config: Callable[[], Snapshot]) -> None:
        self._counts = counts
        self._config = config
        self._of_clients: Counter[str] = Counter()
        self.under_way = 0

    def admit(self, host: str) -> bool:
        """A client may begin its handshake, which is counted until `release`."""
        client, config = address_of(host), self._config()
        count = self._counts.connections(client) + self._of_clients[client]
        limit = config.client_connection_limit
        if self.under_way >= MOST_HANDSHAKES or (
            limit and count >= limit + MOST_TO_BE_TOLD and client not in config.mynetworks
        ):
            log.warning("too_many_handshakes", client=client, of_client=count, of_all=self.under_way)
            return False
        self._of_clients[client] += 1
        self.under_way += 1
        return True

    def release(self, host: str) -> None:
        """The handshake is over, either way."""
        client = address_of(host)
        self.under_way -= 1
        self._of_clients[client] -= 1
        if not self._of_clients[client]:
            del self._of_clients[client]
