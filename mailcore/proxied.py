"""Listening sockets behind a TCP balancer: each connection begins with a PROXY header, or ends.

Only trusted networks may connect at all; a header from anybody else is never read. The header is taken from the bare
socket, exactly its octets, before there is a transport: what follows it, a TLS handshake or a command, is read by
those who read it on any other port. HEADER_LIMIT_S is long enough for one lost packet (section 2 of the specification).
On ports that begin with TLS the client is counted from its header on (mailcore.tls_server).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from mailcore.accepting import Accepting
from mailcore.log import get_logger
from mailcore.proxy_protocol import ClientTls, HeaderReader, InvalidHeader
from mailcore.tls_server import HandshakeLimits, shake_hands

HEADER_LIMIT_S = 5.0
MOST_WAITING = 1000
PEEK_BYTES = 2048
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


class ProxiedServer(Accepting):
    """Accepts on `sock` and makes a protocol for each connection of which `trusts` knows the balancer's address. `tls`
    is for ports that begin with TLS: its context, and who counts the clients that shake hands.
    """

    def __init__(
        self,
        sock: socket.socket,
        factory: Callable[[Origin], asyncio.BaseProtocol],
        tls: tuple[ssl.SSLContext, HandshakeLimits] | None,
        trusts: Callable[[str], bool],
    ) -> None:
        super().__init__(sock)
        self._factory = factory
        self._tls = tls
        self._trusts = trusts

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

    async def _welcome(self, connection: socket.socket, host: str, port: int) -> None:
        """From the first octet to the protocol that serves the client, or to the end of the connection."""
        is_served = False
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            async with asyncio.timeout(HEADER_LIMIT_S):
                origin = await _read_origin(connection, host, port)
            is_served = await self._serve(connection, origin)
        except (InvalidHeader, TimeoutError) as error:
            log.warning("no_proxy_header", balancer=host, error=str(error) or f"none within {HEADER_LIMIT_S:g} s")
        except (OSError, EOFError):
            pass  # gone, or no TLS: that happens on every port
        finally:
            if not is_served:
                connection.close()

    async def _serve(self, connection: socket.socket, origin: Origin) -> bool:
        """Is there a protocol for the connection now?"""
        factory = partial(self._factory, origin)
        if self._tls is None:
            await asyncio.get_running_loop().connect_accepted_socket(factory, connection)
            return True
        context, limits = self._tls
        if not limits.admit(origin.host):
            return False
        try:
            await shake_hands(connection, factory, context)
        finally:
            limits.release(origin.host)
        return True


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
