"""Listening sockets and TLS: accepts connections and starts a session for each.

Sockets are made with SO_REUSEPORT, so that the processes of accessd share a port, and with IPPROTO_TCP, without which
asyncio leaves Nagle's algorithm on and every small answer waits for a delayed acknowledgement.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping, Sequence
from pathlib import Path

from accessd.connection import Connection, Serve
from accessd.settings import Endpoint, Protocol
from mailcore.log import get_logger

BACKLOG = 1024
SWEEP_S = 5.0
IDLE_LIMIT_S: Mapping[Protocol, float] = {"imap": 60.0, "pop3": 600.0}
"""How long a new connection may be silent: RFC 1939 wants ten minutes; IMAP asks for more after login."""

log = get_logger(__name__)


class Tls:
    """The certificate, read again on `reload`; connections made afterwards use the new one."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self.context: ssl.SSLContext | None = None
        if cert.exists():
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.minimum_version = ssl.TLSVersion.TLSv1_2
            self.context.load_cert_chain(cert, key)

    def reload(self) -> None:
        """Read the files again; broken ones change nothing."""
        if self.context is None:
            return
        try:
            # A context keeps the old chain when a new one cannot be read, but not when only the key does not match.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._cert, self._key)
            self.context.load_cert_chain(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            log.error("certificate_not_loaded", error=str(error))
        else:
            log.info("certificate_loaded")


class Listener:
    """All ports of one process, and the connections that came in."""

    def __init__(
        self,
        addresses: Sequence[str],
        endpoints: Sequence[Endpoint],
        tls: Tls,
        sessions: Mapping[Protocol, Serve],
        *,
        most_connections: int,
    ) -> None:
        self._addresses = addresses
        self._endpoints = endpoints
        self._tls = tls
        self._sessions = sessions
        self._most = most_connections
        self._servers: list[asyncio.Server] = []
        self._sweeper: asyncio.Task[None] | None = None
        self.connections: set[Connection] = set()
        self.listening: list[str] = []

    async def start(self) -> None:
        """Open the ports. Those that begin with TLS stay closed without a certificate."""
        for endpoint in self._endpoints:
            if endpoint.implicit_tls and self._tls.context is None:
                log.error("no_certificate", port=endpoint.port)
                continue
            for address in self._addresses:
                await self._listen(endpoint, address)
        self._sweeper = asyncio.create_task(self._sweep())

    async def _listen(self, endpoint: Endpoint, address: str) -> None:
        opened = open_socket(address, endpoint.port)
        server = await asyncio.get_running_loop().create_server(
            lambda: self._accept(endpoint),
            sock=opened,
            backlog=BACKLOG,
            ssl=self._tls.context if endpoint.implicit_tls else None,
            ssl_handshake_timeout=30.0 if endpoint.implicit_tls else None,
        )
        self._servers.append(server)
        name = endpoint.protocol + ("s" if endpoint.implicit_tls else "")
        self.listening.append(f"{name} {address}:{opened.getsockname()[1]}")

    def _accept(self, endpoint: Endpoint) -> Connection:
        connection = Connection(
            self._sessions[endpoint.protocol] if len(self.connections) < self._most else _turn_away,
            self._tls.context,
            idle_limit_s=IDLE_LIMIT_S[endpoint.protocol],
        )
        self.connections.add(connection)
        connection.on_closed = self.connections.discard
        return connection

    async def _sweep(self) -> None:
        """Ends connections that have been silent too long; one timer for all of them."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            now = loop.time()
            for connection in tuple(self.connections):
                if now - connection.last_active > connection.idle_limit_s:
                    connection.expire("Idle for too long")

    async def stop_accepting(self) -> None:
        """Close the ports; connections go on."""
        for server in self._servers:
            server.close()
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.gather(self._sweeper, return_exceptions=True)


async def _turn_away(connection: Connection) -> None:
    """Too many connections: end without a word, which both protocols allow."""
    connection.close()


def open_socket(address: str, port: int) -> socket.socket:
    """A listening TCP socket that other processes of ours may share."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    opened = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened
