"""The ports of one process: accepts connections and starts a session for each."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from accessd.connection import Connection, Serve
from accessd.limits import ConnectionLimits
from accessd.settings import Endpoint, Protocol
from mailcore.accepting import Accepting
from mailcore.log import get_logger
from mailcore.proxied import Origin, ProxiedServer
from mailcore.sockets import listen, name_of, open_socket
from mailcore.tls import Certificate
from mailcore.tls_server import TlsServer

SWEEP_S = 5.0
SILENT_S = 120.0
"""How long a client may say nothing before others may have what its session holds (a POP3 maildrop)."""
IDLE_LIMIT_S: Mapping[Protocol, float] = {"imap": 180.0, "pop3": 600.0}
"""How long a new connection may be silent: RFC 1939 wants ten minutes; IMAP asks for more after login."""

KEEPALIVE: Mapping[Protocol, tuple[tuple[int, int], ...]] = {
    "imap": (),
    "pop3": (
        (socket.TCP_KEEPIDLE, 60),
        (socket.TCP_KEEPINTVL, 15),
        (socket.TCP_KEEPCNT, 4),
        (socket.TCP_USER_TIMEOUT, 120_000),
    ),
}
"""A POP3 client that is gone without a word is noticed within two minutes: it holds a lock. IMAP clients are often
telephones, which probes would wake."""

REFUSALS: Mapping[str, str] = {"imap": "* BYE [UNAVAILABLE] {}\r\n", "pop3": "-ERR [SYS/TEMP] {}\r\n"}

log = get_logger(__name__)


class Listener:
    """All ports of one process, and the connections that came in."""

    def __init__(
        self,
        addresses: Sequence[str],
        endpoints: Sequence[Endpoint],
        certificate: Certificate,
        sessions: Mapping[Protocol, Serve],
        limits: ConnectionLimits,
        *,
        trusts_balancer: Callable[[str], bool],
    ) -> None:
        self._addresses = addresses
        self._endpoints = endpoints
        self._certificate = certificate
        self._sessions = sessions
        self._limits = limits
        self._trusts_balancer = trusts_balancer
        self._servers: list[asyncio.Server | Accepting] = []
        self._sweeper: asyncio.Task[None] | None = None
        self.listening: list[str] = []

    async def start(self) -> None:
        """Open the ports. Those that begin with TLS stay closed without a certificate."""
        for endpoint in self._endpoints:
            if endpoint.implicit_tls and self._certificate.context() is None:
                log.error("no_certificate", port=endpoint.port)
                continue
            for address in self._addresses:
                await self._listen(endpoint, address)
        self._sweeper = asyncio.create_task(self._sweep())

    async def _listen(self, endpoint: Endpoint, address: str) -> None:
        sock = open_socket(address, endpoint.port)
        _keep_alive(sock, endpoint.protocol)
        self.listening.append(f"{endpoint.name} {name_of(sock)}")
        context = self._certificate.context() if endpoint.implicit_tls else None
        factory = partial(self._accept, endpoint)
        if endpoint.proxied:
            tls = (context, self._limits) if context is not None else None
            self._servers.append(ProxiedServer(sock, factory, tls, self._trusts_balancer))
        elif context is not None:
            self._servers.append(TlsServer(sock, factory, context, self._limits))
        else:
            self._servers.append(await listen(sock, factory))

    def _accept(self, endpoint: Endpoint, origin: Origin | None = None) -> Connection:
        return Connection(
            self._sessions[endpoint.protocol],
            self._certificate.context(),
            self,
            protocol=endpoint.protocol,
            idle_limit_s=IDLE_LIMIT_S[endpoint.protocol],
            origin=origin,
        )

    @property
    def connections(self) -> set[Connection]:
        """Those that have a session, or are being refused."""
        return self._limits.connections

    def arrived(self, connection: Connection) -> bytes:
        """Called by each new connection: what to say if it must go."""
        reason = self._limits.arrived(connection)
        return REFUSALS[connection.protocol].format(reason).encode("ascii") if reason else b""

    def ended(self, connection: Connection) -> None:
        """Called by each connection at the end of its session."""
        self._limits.ended(connection)

    def left(self, connection: Connection) -> None:
        """Called by each connection at its end."""
        self._limits.left(connection)

    async def _sweep(self) -> None:
        """Ends connections that have been silent too long; one timer for all of them."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self.sweep(loop.time())

    def sweep(self, now: float) -> None:
        """End what has been silent too long; tell sessions that hold something how silent their clients are."""
        for connection in tuple(self.connections):
            silent_s = now - connection.last_active
            if silent_s > connection.idle_limit_s:
                connection.expire("Idle for too long")
            elif connection.on_silent is not None and silent_s > SILENT_S:
                connection.on_silent()

    async def stop_accepting(self) -> None:
        """Close the ports; connections go on."""
        for server in self._servers:
            server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)


def _keep_alive(listening: socket.socket, protocol: Protocol) -> None:
    """Accepted connections have what the listening socket has: no system call for each."""
    for option, value in KEEPALIVE[protocol]:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listening.setsockopt(socket.IPPROTO_TCP, option, value)
