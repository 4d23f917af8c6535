"""Ports that begin with TLS: each client is counted from accept on, and has HANDSHAKE_LIMIT_S for the handshake.

Otherwise who never shakes hands would hold as many connections as he likes: the protocol that counts connections is
told of one only when the handshake is over. Postfix's word is smtpd_starttls_timeout, here for every handshake.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from typing import Protocol

from mailcore.accepting import Accepting

HANDSHAKE_LIMIT_S = 15.0
MOST_TO_BE_TOLD = 10
"""So many more than its limit a client may shake hands with at a time, to be told of it inside TLS."""


class HandshakeLimits(Protocol):
    """Who decides whether a client may begin a handshake, and counts those that have."""

    def admit(self, host: str) -> bool:
        """May the client at this address begin one? It is counted if so."""

    def release(self, host: str) -> None:
        """One has ended, either way; a connection that came of it counts as any other."""


class TlsServer(Accepting):
    """Accepts on `sock` and makes a protocol for each connection that has shaken hands."""

    def __init__(
        self,
        sock: socket.socket,
        factory: Callable[[], asyncio.BaseProtocol],
        context: ssl.SSLContext,
        limits: HandshakeLimits,
    ) -> None:
        super().__init__(sock)
        self._factory = factory
        self._context = context
        self._limits = limits
        # Accepted connections have what the listening socket has.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def _receive(self, connection: socket.socket, host: str, port: int) -> None:
        if self._limits.admit(host):
            self._begin(self._welcome(connection, host))
        else:
            connection.close()

    async def _welcome(self, connection: socket.socket, host: str) -> None:
        try:
            await shake_hands(connection, self._factory, self._context)
        except OSError:
            connection.close()  # gone, or no TLS: that happens on every port
        finally:
            self._limits.release(host)


async def shake_hands(
    connection: socket.socket, factory: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext
) -> None:
    """From an accepted socket to a protocol on TLS. Raises OSError when there is no handshake in time."""
    await asyncio.get_running_loop().connect_accepted_socket(
        factory, connection, ssl=context, ssl_handshake_timeout=HANDSHAKE_LIMIT_S
    )
