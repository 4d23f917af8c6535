"""Listening sockets behind a TCP balancer: each connection begins with a PROXY header, or ends.

Only trusted networks may connect at all; a header from anybody else is never read. The header is taken from the bare
socket, exactly its octets, before there is a transport: what follows it, a TLS handshake or a command, is read by
those who read it on any other port. HEADER_LIMIT_S is long enough for one lost packet (section 2 of the specification).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from mailcore.log import get_logger
from mailcore.proxy_protocol import ClientTls, HeaderReader, InvalidHeader
from mailcore.sockets import HANDSHAKE_LIMIT_S

HEADER_LIMIT_S = 5.0
MOST_WAITING = 1000
PEEK_BYTES = 2048
PAUSE_S = 1.0
_LOOPBACK = frozenset({"127.0.0.1", "::1", "::ffff:127.0.0.1"})

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a connection comes from, as a trusted balancer says.

    `is_balancer`: it is the balancer's own, as its health checks are, or comes from a client without an address.
    """

    host: str
    port: int
    is_balancer: bool = False
    tls: ClientTls | None = None


class ProxiedServer:
    """Accepts on `sock` and makes a protocol for each connection of which `trusts` knows the balancer's address."""

    def __init__(
        self,
        sock: socket.socket,
        factory: Callable[[Origin], asyncio.BaseProtocol],
        context: ssl.SSLContext | None,
        trusts: Callable[[str], bool],
    ) -> None:
        self._sock = sock
        self._factory = factory
        self._context = context
        self._trusts = trusts
        self._arriving: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Accept no more; connections go on, those without a header yet end."""
        self._accepting.cancel()
        for task in self._arriving:
            task.cancel()
        self._sock.close()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(self._sock)
            except ConnectionError:
                continue  # gone before it was its turn
            except OSError as error:
                log.error("cannot_accept", error=str(error))
                await asyncio.sleep(PAUSE_S)
                continue
            self._receive(connection, str(peer[0]), int(peer[1]))

    def _receive(self, connection: socket.socket, host: str, port: int) -> None:
        if len(self._arriving) >= MOST_WAITING:
            log.warning("too_many_without_header", balancer=host)
            connection.close()
        elif self._trusts(host):
            self._begin(self._welcome(connection, host, port))
        elif host in _LOOPBACK:
            self._begin(_turn_away_unless_silent(connection, host))
        else:
            _turn_away(connection, host)

    def _begin(self, arrival: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(arrival)
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _welcome(self, connection: socket.socket, host: str, port: int) -> None:
        """From the first octet to the protocol that serves the client, or to the end of the connection."""
        loop = asyncio.get_running_loop()
        is_served = False
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(HEADER_LIMIT_S):
                origin = await _read_origin(connection, host, port)
            await loop.connect_accepted_socket(
                lambda: self._factory(origin),
                connection,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_LIMIT_S if self._context is not None else None,
            )
            is_served = True
        except (InvalidHeader, TimeoutError) as error:
            log.warning("no_proxy_header", balancer=host, error=str(error) or f"none within {HEADER_LIMIT_S:g} s")
        except (OSError, EOFError):
            pass  # gone, or no TLS: that happens on every port
        finally:
            if not is_served:
                connection.close()


def _turn_away(connection: socket.socket, host: str) -> None:
    log.warning("balancer_not_trusted", client=host, setting="haproxy_trusted_networks")
    connection.close()


async def _turn_away_unless_silent(connection: socket.socket, host: str) -> None:
    """Health checks of this machine look whether the port is open and go; whoever speaks is no health check."""
    try:
        async with asyncio.timeout(HEADER_LIMIT_S):
            await _readable(connection)
        if connection.recv(1, socket.MSG_PEEK):
            _turn_away(connection, host)
    except (TimeoutError, OSError):
        pass
    finally:
        connection.close()


async def _read_origin(connection: socket.socket, host: str, port: int) -> Origin:
    reader = HeaderReader()
    while reader.header is None:
        await _readable(connection)
        try:
            seen = connection.recv(PEEK_BYTES, socket.MSG_PEEK)
            if not seen:
                raise EOFError
            # What was only looked at is taken now, and not one octet behind the header.
            connection.recv(reader.receive_data(seen))
        except BlockingIOError:
            continue
    header = reader.header
    if header.source is None or (header.source.host, header.source.port) == (host, port):
        return Origin(host, port, is_balancer=True)
    return Origin(header.source.host, header.source.port, tls=header.tls)


async def _readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    waiter: asyncio.Future[None] = loop.create_future()

    def wake() -> None:
        if not waiter.done():
            waiter.set_result(None)

    loop.add_reader(connection.fileno(), wake)
    try:
        await waiter
    finally:
        loop.remove_reader(connection.fileno())
