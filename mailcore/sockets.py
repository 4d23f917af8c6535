"""Listening sockets of the programs.

Every process opens its own with SO_REUSEPORT and the kernel spreads the connections. They are made with IPPROTO_TCP:
otherwise asyncio leaves Nagle's algorithm on, and each short answer waits 40 ms for a delayed acknowledgement.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

BACKLOG = 1024


def parse_addresses(text: str) -> tuple[str, ...]:
    """The addresses of a list with commas, IPv6 with or without brackets; "*" is every address of both families."""
    return tuple(part.strip().strip("[]") for part in text.split(",") if part.strip())


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
    """address:port, as the process reports it; every address of both families is [::]."""
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def listen(sock: socket.socket, factory: Callable[[], asyncio.BaseProtocol]) -> asyncio.Server:
    """Accept connections. Those of ports that begin with TLS are for mailcore.tls_server."""
    return await asyncio.get_running_loop().create_server(factory, sock=sock, backlog=BACKLOG)
