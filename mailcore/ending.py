"""The end of a connection that we have closed: whose client does not close, too, is cut off.

uvloop would wait thirty seconds for the client's close_notify, and without TLS for ever for what was written to be
read. Promises: a client that takes something between two looks is waited for, and one that has all is not. TLS hides
a buffer, so that the kernel's is empty says little; that it stays empty says that there is no more.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios


class Ending:
    """Looks every `look_s` seconds how far a closed transport has come.

    A client that has all and took nothing more between two looks does not close, so we do; one that has not all and
    took nothing between `looks` of them is cut off.
    """

    __slots__ = ("_handle", "_left", "_look_s", "_looks", "_loop", "_taken", "_transport")

    def __init__(self, transport: asyncio.Transport, look_s: float, looks: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._look_s = look_s
        self._looks = self._left = looks
        self._taken = -1
        self._handle = self._loop.call_later(look_s, self._look)

    def stop(self) -> None:
        """The connection is gone."""
        self._handle.cancel()

    def _look(self) -> None:
        taken, waiting = _progress(self._transport)
        if taken != self._taken:
            self._taken, self._left = taken, self._looks
        elif waiting and self._left:
            self._left -= 1
        else:
            self._transport.abort()
            return
        self._handle = self._loop.call_later(self._look_s, self._look)


def _progress(transport: asyncio.Transport) -> tuple[int, int]:
    """(octets the client's side has confirmed, those in the kernel that it has not): tcp(7), TCP_INFO and SIOCOUTQ."""
    sock = transport.get_extra_info("socket")
    try:
        (confirmed,) = struct.unpack_from("Q", sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 192), 120)
        (waiting,) = struct.unpack("i", fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, b"\0" * 4))
    except (AttributeError, OSError, ValueError, struct.error):
        return 0, 0  # closed already
    return confirmed, waiting
