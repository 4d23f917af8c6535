"""Listening sockets that look at each connection before there is a protocol for it: a task from accept on.

What a connection has to do first, a PROXY header or a TLS handshake, is its `_receive`'s matter. An accept that fails
is not the last: without files to spare it is tried again.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from typing import Any

from mailcore.log import get_logger

PAUSE_S = 1.0

log = get_logger(__name__)


class Accepting:
    """Accepts on `sock` until it is closed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._arriving: set[asyncio.Task[None]] = set()
        self._accepting = asyncio.get_running_loop().create_task(self._accept())

    def close(self) -> None:
        """Accept no more; connections go on, those that have not arrived yet end."""
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
        """A connection is there: close it, or `_begin` what closes it unless it comes to a protocol."""
        raise NotImplementedError

    def _begin(self, arrival: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(arrival)
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
