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
MOST_AT_ONCE = 64
"""Then those who are there already come in between."""

log = get_logger(__name__)


class Accepting:
    """Accepts on `sock`, which does not block, until it is closed."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._arriving: set[asyncio.Task[None]] = set()
        self._loop = asyncio.get_running_loop()
        self._resuming: asyncio.TimerHandle | None = None
        self._resume()

    def close(self) -> None:
        """Accept no more; connections go on, those that have not arrived yet end. Safe to repeat."""
        if self._sock.fileno() >= 0:
            self._pause()
        if self._resuming is not None:
            self._resuming.cancel()
        for task in self._arriving:
            task.cancel()
        self._sock.close()

    def _resume(self) -> None:
        self._loop.add_reader(self._sock.fileno(), self._accept)

    def _pause(self) -> None:
        self._loop.remove_reader(self._sock.fileno())

    def _accept(self) -> None:
        """A reader and no coroutine of the loop's: that would register the socket anew for each connection."""
        for _ in range(MOST_AT_ONCE):
            try:
                connection, peer = self._sock.accept()
            except BlockingIOError:
                return
            except ConnectionError:
                continue  # gone before it was its turn
            except OSError as error:
                log.error("cannot_accept", error=str(error))
                self._pause()
                self._resuming = self._loop.call_later(PAUSE_S, self._resume)
                return
            connection.setblocking(False)
            self._receive(connection, str(peer[0]), int(peer[1]))

    def _receive(self, connection: socket.socket, host: str, port: int) -> None:
        """A connection is there: close it, or `_begin` what closes it unless it comes to a protocol."""
        raise NotImplementedError

    def _begin(self, arrival: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(arrival)
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
