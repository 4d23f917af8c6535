"""Bytes in and out of one SMTP connection, in place of aiosmtpd's StreamReader and per-line writes.

Promises: a command line ends with CRLF and nothing else; what a client sends ahead is bounded (reading pauses); the
replies to pipelined commands leave in one write (RFC 2920 section 3.2); an idle client is told and dropped; nothing
that came before a TLS handshake is read after it (RFC 3207 section 4.2).
"""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from typing import Any, cast

from aiosmtpd.smtp import SMTP

from mailcore.ending import Ending
from mailcore.reply import Reply
from mailcore.tls_server import HANDSHAKE_LIMIT_S
from smtpd import replies

COMMAND_LINE_LIMIT = 2048
AUTH_LINE_LIMIT = 12_288  # RFC 4954 section 4
LONGEST_LINE = 4 * 1024 * 1024  # of what is skipped for being longer than allowed
READ_AHEAD = 256 * 1024
ENDING_LOOK_S = 0.5
ENDING_LOOKS = 60
TIMEOUT_S = 300.0  # RFC 5321 section 4.5.3.2.7


class BareNewline(Exception):
    """A line ended with LF alone."""


class LineTooLong(Exception):
    """A line was longer than allowed; it has been skipped to its end, or is longer than LONGEST_LINE."""


class Gone(Exception):
    """The client has closed the connection, or was idle for too long."""


@lru_cache(maxsize=512)
def _wire_form(reply: Reply) -> bytes:
    """Most replies are said over and over."""
    return reply.to_bytes()


class SMTPStream(SMTP):
    """The transport side of the protocol. aiosmtpd's constructor is not run: it looks up methods by reflection for
    every connection, makes a StreamReader that is not used here, and clears a table that all connections share.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout_s: float = TIMEOUT_S) -> None:
        asyncio.StreamReaderProtocol.__init__(self, None, loop=loop)  # type: ignore[arg-type]
        self.loop = loop
        self.transport: asyncio.Transport | None = None
        self._timeout_s = timeout_s
        self._buffer = bytearray()
        self._replies: list[bytes] = []
        self._waiter: asyncio.Future[None] | None = None
        self._seen = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._is_eof = False
        self._is_lost = False
        self._timed_out = False
        self._is_tls = False
        self._reading_paused = False
        self._skipped = 0  # octets of the line that comes in
        # The client goes on sending what is refused: there is no more reading it.
        self._gave_up = False
        # Looks whether the client has closed, too; None while we have not.
        self._ending: Ending | None = None
        self._handler_coroutine: asyncio.Task[None] | None = None

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client has connected; with implicit TLS, the handshake is over."""
        # Not checked: uvloop's transports are no subclasses of asyncio's.
        self.transport = cast(asyncio.Transport, transport)
        self._is_tls = transport.get_extra_info("ssl_object") is not None
        self._seen = self.loop.time()
        self._timer = self.loop.call_later(self._timeout_s, self._check_idle)
        self._handler_coroutine = self.loop.create_task(self._handle_client())

    @property
    def session_task(self) -> asyncio.Task[None] | None:
        """The task that runs the session; it is done when the client has been said goodbye."""
        return self._handler_coroutine

    def data_received(self, data: bytes) -> None:
        """Keep what came, and stop reading when it is too much."""
        self._buffer += data
        self._seen = self.loop.time()
        if len(self._buffer) > READ_AHEAD and not self._reading_paused and self.transport is not None:
            self._reading_paused = True
            self.transport.pause_reading()
        self._wake()

    def eof_received(self) -> bool:
        """The client will send no more; replies to what it has sent still go out."""
        self._is_eof = True
        self._wake()
        return not self._is_tls

    def connection_lost(self, error: Exception | None) -> None:
        """The connection is over. A commit that is under way is finished, nobody hears of it."""
        self._is_lost = self._is_eof = True
        if self._timer is not None:
            self._timer.cancel()
        if self._ending is not None:
            self._ending.stop()
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self._wake()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None:
            self._waiter = None
            if not waiter.done():
                waiter.set_result(None)

    def _check_idle(self) -> None:
        """One timer per connection that looks now and then, instead of one that is set anew for every command."""
        idle_s = self.loop.time() - self._seen
        if self._waiter is not None and idle_s >= self._timeout_s:
            self._timed_out = True
            self._wake()
        self._timer = self.loop.call_later(max(self._timeout_s - idle_s, 1.0), self._check_idle)

    # Reading.

    async def _wait_for_data(self) -> None:
        """Send what is to be said and wait for more bytes. Raises Gone."""
        self._flush()
        if self._paused:  # type: ignore[attr-defined]
            known = len(self._buffer)
            await self._drain_helper()  # type: ignore[attr-defined]
            if len(self._buffer) > known:
                return  # what came meanwhile has woken nobody
        if self._is_eof:
            raise Gone
        self._waiter = self.loop.create_future()
        await self._waiter
        if self._timed_out:
            self._send(replies.IDLE_TOO_LONG)
            raise Gone

    async def _breathe(self) -> None:
        """Send what is to be said, and let everybody else run."""
        self._flush()
        if self._paused:  # type: ignore[attr-defined]
            await self._drain_helper()  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    def _take(self) -> bytes:
        """Everything that has come."""
        block = bytes(self._buffer)
        self._buffer.clear()
        self._resume()
        return block

    def _take_at_most(self, size: int) -> bytes:
        block = bytes(self._buffer[:size])
        del self._buffer[:size]
        self._resume()
        return block

    def _resume(self) -> None:
        if self._reading_paused and len(self._buffer) <= READ_AHEAD and self.transport is not None:
            self._reading_paused = False
            if not self._is_lost:
                self.transport.resume_reading()

    def _next_line(self, limit: int = COMMAND_LINE_LIMIT) -> bytes | None:
        """The next line without its CRLF, None if it has not come yet. Raises BareNewline and LineTooLong."""
        buffer = self._buffer
        end = buffer.find(b"\n")
        if end < 0:
            if len(buffer) > limit:
                self._skipped += len(buffer) - 1
                del buffer[:-1]  # a CR at the end may belong to the line end
                self._resume()
                if self._skipped > LONGEST_LINE:
                    self._gave_up = True
                    raise LineTooLong
            return None
        is_crlf = end > 0 and buffer[end - 1] == 13
        line = bytes(buffer[: end - 1]) if is_crlf else b""
        del buffer[: end + 1]
        self._resume()
        if not is_crlf:
            raise BareNewline
        if self._skipped or len(line) > limit:
            self._skipped = 0
            raise LineTooLong
        return line

    async def _read_line(self, limit: int) -> bytes:
        """The next line, waiting for it."""
        while (line := self._next_line(limit)) is None:
            await self._wait_for_data()
        return line

    # Writing.

    def _send(self, reply: Reply) -> None:
        self._replies.append(_wire_form(reply))

    def _flush(self) -> None:
        if self._replies:
            if self.transport is not None and not self._is_lost:
                self.transport.write(self._replies[0] if len(self._replies) == 1 else b"".join(self._replies))
            self._replies.clear()

    async def push(self, status: Any) -> None:
        """aiosmtpd's way to send one line."""
        line = status.encode() if isinstance(status, str) else status
        self._replies.append(line + b"\r\n")

    def _close(self) -> None:
        self._flush()
        if self._timer is not None:
            self._timer.cancel()
        if self.transport is not None and not self._is_lost:
            self.transport.close()
            self._ending = Ending(self.transport, ENDING_LOOK_S, ENDING_LOOKS)

    async def _start_tls(self, context: ssl.SSLContext) -> None:
        """Answer 220, forget what was sent ahead, and shake hands. Raises ssl.SSLError and OSError."""
        assert self.transport is not None
        self._send(replies.READY_FOR_TLS)
        self._flush()
        # From here to start_tls() nothing is awaited: what a stranger in the middle has slipped in before the
        # handshake is in the buffer and goes with it; what comes later is read as TLS.
        self._buffer.clear()
        self._skipped = 0
        self._resume()
        transport = await self.loop.start_tls(
            self.transport, self, context, server_side=True, ssl_handshake_timeout=HANDSHAKE_LIMIT_S
        )
        if transport is None:
            raise ConnectionResetError("the client left during the handshake")
        self.transport = transport
        self._is_tls = True
        self._seen = self.loop.time()
