"""The octets of a connection to another host, blocking: what is sent is gathered, and every wait has its limit.

Waits are cut into slices: between two slices `keepalive` is called, so that whoever works under a lease can renew it
while a slow server thinks for its ten minutes. What is to be sent leaves when there is something to wait for: a short
message and the envelope of the next one are one packet. Errors are temporary replies that name the host.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from mailcore.relay.errors import ConnectFailed, ConnectionLost, TlsFailed
from mailcore.relay.mx import Target
from mailcore.relay.steps import BLOCK_S
from mailcore.reply import Reply

T = TypeVar("T")

CONNECT_S = 30.0
HANDSHAKE_S = 30.0
SLICE_S = 10.0
# A server that has not answered after this time is slow: what else is to be done is done now.
SHORT_SLICE_S = 0.02
GATHER_BYTES = 65536


def dial(target: Target, time_scale: float) -> socket.socket:
    """A TCP connection. Raises ConnectFailed."""
    try:
        sock = socket.create_connection((target.address, target.port), timeout=CONNECT_S * time_scale)
    except OSError as error:
        # Hung up before we could look (EPIPE where FIN came first): somebody is there (RFC 3463: X.4.2, not X.4.1).
        enhanced = "4.4.2" if isinstance(error, ConnectionResetError | BrokenPipeError) else "4.4.1"
        text = f"no connection to {target}: {_reason(error)}"
        raise ConnectFailed(Reply(451, enhanced, text)) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Wire:
    """One connection. `doing` says for people what a wait is for. Raises ConnectionLost."""

    def __init__(self, target: Target, sock: socket.socket, time_scale: float, keepalive: Callable[[], None]) -> None:
        self._target = target
        self._sock = sock
        self._time_scale = time_scale
        self._keepalive = keepalive
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._timeout_s: float | None = None

    def gather(self, data: bytes) -> None:
        """To be sent with the next `flush`."""
        self._out.append(data)
        self._out_bytes += len(data)

    @property
    def is_full(self) -> bool:
        """Has so much been gathered that it should be sent?"""
        return self._out_bytes >= GATHER_BYTES

    def flush(self, doing: str) -> None:
        """Send what was gathered."""
        if not self._out:
            return
        view = memoryview(b"".join(self._out))
        self._out.clear()
        self._out_bytes = 0
        while view:
            view = view[self._patiently(partial(self._sock.send, view), BLOCK_S, doing) :]

    def receive(self, timeout_s: float, doing: str, while_waiting: Callable[[], None] | None = None) -> bytes:
        """What has come, at least one octet."""
        data = self._patiently(partial(self._sock.recv, 65536), timeout_s, doing, while_waiting)
        if not data:
            raise ConnectionLost(Reply(451, "4.4.2", f"{self._target} closed the connection while {doing}"))
        return data

    def start_tls(self, context: ssl.SSLContext) -> str:
        """Shake hands; returns version and cipher. Raises TlsFailed."""
        self._wait_at_most(HANDSHAKE_S * self._time_scale)
        try:
            wrapped = context.wrap_socket(self._sock, server_hostname=self._target.host.strip("[]") or None)
        except (OSError, ValueError) as error:
            text = f"the TLS handshake with {self._target} failed: {_reason(error)}"
            raise TlsFailed(Reply(451, "4.7.5", text)) from error
        self._sock, self._timeout_s = wrapped, None
        cipher = wrapped.cipher()
        return f"{wrapped.version()} {cipher[0] if cipher else ''}".strip()

    def close(self) -> None:
        """Hang up at once."""
        with contextlib.suppress(OSError):
            self._sock.close()

    def _patiently(
        self,
        action: Callable[[], T],
        timeout_s: float,
        doing: str,
        while_waiting: Callable[[], None] | None = None,
    ) -> T:
        """Do a socket operation within the time limit, a slice at a time."""
        left = timeout_s * self._time_scale
        limit = time.monotonic() + left
        slice_s = SHORT_SLICE_S
        while True:
            self._wait_at_most(min(left, slice_s))
            try:
                return action()
            except TimeoutError:
                pass
            except OSError as error:
                text = f"the connection to {self._target} was lost while {doing}: {_reason(error)}"
                raise ConnectionLost(Reply(451, "4.4.2", text)) from error
            if while_waiting is not None:
                while_waiting()
            self._keepalive()
            slice_s = SLICE_S
            left = limit - time.monotonic()
            if left <= 0:
                raise ConnectionLost(Reply(451, "4.4.2", f"{self._target} was silent for too long while {doing}"))

    def _wait_at_most(self, seconds: float) -> None:
        # Each settimeout() is a system call.
        if seconds != self._timeout_s:
            self._sock.settimeout(seconds)
            self._timeout_s = seconds


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
