"""Listening sockets and certificates.

Every process opens its own sockets with SO_REUSEPORT and the kernel spreads the connections. Sockets are made with
IPPROTO_TCP: otherwise asyncio leaves Nagle's algorithm on, and each reply waits 40 ms for an acknowledgement.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

from mailcore.log import get_logger

BACKLOG = 1024

log = get_logger(__name__)


def open_socket(host: str, port: int) -> socket.socket:
    """A listening socket. Raises OSError when the address is taken or not ours."""
    family = socket.AF_INET6 if ":" in host or host == "*" else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            # "*" is every address of both families, "::" those of IPv6.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if host == "*" else 1)
        sock.bind(("::" if host == "*" else host, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def name_of(sock: socket.socket) -> str:
    """address:port, as the process reports it."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def listen(
    sock: socket.socket, factory: Callable[[], asyncio.BaseProtocol], context: ssl.SSLContext | None = None
) -> asyncio.Server:
    """Accept connections; with a context the TLS handshake comes first."""
    loop = asyncio.get_running_loop()
    if context is None:
        return await loop.create_server(factory, sock=sock, backlog=BACKLOG)
    return await loop.create_server(factory, sock=sock, backlog=BACKLOG, ssl=context, ssl_handshake_timeout=60.0)


class Certificate:
    """The server's certificate; `reload` takes a renewed one into use without a restart."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self._context: ssl.SSLContext | None = None
        self.reload()

    def context(self) -> ssl.SSLContext | None:
        """The context for new handshakes, None while there is no usable certificate."""
        return self._context

    def reload(self) -> None:
        """Read the files again. What cannot be read is logged, and the certificate before stays in use."""
        try:
            # Tried on a context of its own: half a renewal must not get into the one that is in use.
            fresh = _context(self._cert, self._key)
        except (OSError, ssl.SSLError) as error:
            log.error("certificate_not_loaded", cert=str(self._cert), error=str(error))
            return
        if self._context is None:
            self._context = fresh
        else:
            self._context.load_cert_chain(self._cert, self._key)


def _context(cert: Path, key: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.load_cert_chain(cert, key)
    return context
