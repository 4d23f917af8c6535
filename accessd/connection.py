"""One TCP connection: octets in and out, STARTTLS, back-pressure, time limits. The same for IMAP and POP3.

A session reads with `read_some` and writes with `write` and `drain`. What a client sends while nobody reads is kept up
to READ_LIMIT_BYTES and then left in the kernel; what a slow client does not take is kept up to WRITE_LIMIT_BYTES and
then `drain` waits. An idle connection costs this object, its transport and the session's coroutine, nothing else.
"""

from __future__ import annotations

import asyncio
import ssl
import time
import zlib
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from accessd.deflate import INFLATED_AT_ONCE_BYTES, DeflateTransport
from mailcore.directory.lookups import AccountRecord
from mailcore.ending import Ending
from mailcore.log import get_logger
from mailcore.proxied import Origin
from mailcore.tls_binding import end_point_of
from mailcore.tls_server import HANDSHAKE_LIMIT_S

READ_LIMIT_BYTES = 256 * 1024
WRITE_LIMIT_BYTES = 512 * 1024
ENDING_LOOK_S = 2.0
ENDING_LOOKS = 15

log = get_logger(__name__)

Serve = Callable[["Connection"], Coroutine[Any, Any, None]]


class Gate(Protocol):
    """Who decides about arrivals: accessd.listener."""

    def arrived(self, connection: Connection) -> bytes:
        """What to say to a client that must go; b"" if it may stay."""

    def ended(self, connection: Connection) -> None:
        """Its session is over; the client may still have to take what was written, and to close."""

    def left(self, connection: Connection) -> None:
        """The connection is gone."""


class Session(Protocol):
    """What others may ask of the session that a connection serves."""

    # As it was when it logged in; None before.
    account: AccountRecord | None

    @property
    def mailbox_name(self) -> str:
        """The selected mailbox, "" for none."""


class Connection(asyncio.Protocol):
    """A client's connection, with an `origin` through a balancer. `serve` is started as a task when it is made."""

    __slots__ = (
        "_blocked",
        "_buffer",
        "_buffered",
        "_ending",
        "_eof",
        "_gate",
        "_inflater",
        "_loop",
        "_paused",
        "_poked",
        "_readable",
        "_serve",
        "_tls_context",
        "_transport",
        "_writable",
        "account_id",
        "app_password_id",
        "client_id",
        "end_point",
        "farewell",
        "idle_limit_s",
        "last_active",
        "number",
        "on_silent",
        "peer",
        "protocol",
        "session",
        "since",
        "task",
        "tls",
        "told",
        "told_at",
    )

    def __init__(
        self,
        serve: Serve,
        tls_context: ssl.SSLContext | None,
        gate: Gate,
        *,
        protocol: str,
        idle_limit_s: float,
        origin: Origin | None = None,
    ) -> None:
        self._gate = gate
        self.protocol = protocol
        self._serve = serve
        self._tls_context = tls_context
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._buffer: list[bytes] = []
        self._buffered = 0
        # The client's deflate stream (RFC 4978), None for the many that do not compress.
        self._inflater: zlib._Decompress | None = None
        self._eof = self._paused = self._blocked = self._poked = False
        # Why the connection is ended from our side; "" while it is not.
        self.farewell = ""
        self._readable: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        # Looks whether the client has closed, too; None while we have not.
        self._ending: Ending | None = None
        self.idle_limit_s = idle_limit_s
        self.last_active = self._loop.time()
        # Called every few seconds while the client has said nothing for SILENT_S (accessd.listener).
        self.on_silent: Callable[[], None] | None = None
        # Who the client is, as far as it has shown or said: 0 and "" before. client_id is what IMAP's ID tells.
        self.account_id = 0
        self.app_password_id = 0
        self.client_id = ""
        self.session: Session | None = None
        self.since = time.time()
        # What the registry of sessions calls it (accessd.sessions), and how it told of it last; 0: not at all.
        self.number = 0
        self.told = 0
        # The last_active of which it was told that the client is idle since.
        self.told_at = 0.0
        self.task: asyncio.Task[None] | None = None
        self.peer = origin.host if origin is not None else ""
        # TLS that ends at the balancer protects the client's password, too.
        self.tls = origin is not None and origin.tls is not None
        # The hash of the certificate the client was shown, for SCRAM-…-PLUS; None where TLS does not end here.
        self.end_point: bytes | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; with implicit TLS, after the handshake."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self._transport = transport  # type: ignore[assignment]
        address = transport.get_extra_info("peername")
        self.peer = self.peer or (address[0] if address else "")
        tls_context = transport.get_extra_info("sslcontext")
        self.tls = self.tls or tls_context is not None
        self.end_point = end_point_of(tls_context)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT_BYTES)  # type: ignore[union-attr]
        refusal = self._gate.arrived(self)
        if refusal:
            self.write(refusal)
            self.close()
        else:
            self.task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        try:
            await self._serve(self)
        except Exception:
            log.exception("session_crashed", client=self.peer)
        finally:
            # No circle of references: the memory is free at once.
            self.on_silent = self.session = None
            self.close()
            self._gate.ended(self)

    def data_received(self, data: bytes) -> None:
        """Octets from the client."""
        self._buffer.append(data)
        self._buffered += len(data)
        if self._buffered >= READ_LIMIT_BYTES and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        """The client will send no more; what it asked for before may still be answered. TLS knows no such state."""
        self._eof = True
        self._wake_reader()
        return not self.tls

    def connection_lost(self, error: BaseException | None) -> None:
        """The connection is gone."""
        self._eof = True
        self._transport = None
        if self._ending is not None:
            self._ending.stop()
            self._ending = None
        self._wake_reader()
        if self._writable is not None and not self._writable.done():
            self._writable.set_exception(ConnectionResetError("connection lost"))
        self._gate.left(self)

    def pause_writing(self) -> None:
        """The client takes less than we write."""
        self._blocked = True

    def resume_writing(self) -> None:
        """It has caught up."""
        self._blocked = False
        self.last_active = self._loop.time()
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    # What sessions call.

    @property
    def at_eof(self) -> bool:
        """Nothing is left to read and nothing will come."""
        return (self._eof or bool(self.farewell)) and not self._buffer

    @property
    def may_start_tls(self) -> bool:
        """Is there a certificate, and is the connection still in the clear?"""
        return self._tls_context is not None and not self.tls and self._inflater is None

    @property
    def is_compressed(self) -> bool:
        """Has `start_compression` been called?"""
        return self._inflater is not None

    async def read_some(self) -> bytes:
        """Whatever has arrived, at least one octet; b"" at the end of the connection."""
        while True:
            while not self._buffer and not self._eof and not self.farewell:
                await self._next_data()
            data = self.take()
            await self._let_others_run()
            # A piece of a compressed stream may give nothing yet.
            if data or self.at_eof:
                return data

    async def wait(self) -> None:
        """Until something has arrived, the connection ends, or somebody calls `poke`."""
        await self._let_others_run()
        if not self._buffer and not self._eof and not self.farewell and not self._poked:
            await self._next_data()
        self._poked = False

    async def _let_others_run(self) -> None:
        """The rest of a compressed piece is there without waiting, and stands for a thousand times as many octets."""
        if self._inflater is not None and self._buffer:
            await asyncio.sleep(0)

    def take(self) -> bytes:
        """What has arrived, without waiting."""
        if not self._buffer:
            return b""
        data = self._buffer[0] if len(self._buffer) == 1 else b"".join(self._buffer)
        self._buffer.clear()
        self._buffered = 0
        self.last_active = self._loop.time()
        if self._inflater is not None:
            data = self._inflate(self._inflater, data)
        if self._paused and self._buffered < READ_LIMIT_BYTES and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()
        return data

    def _inflate(self, inflater: zlib._Decompress, data: bytes) -> bytes:
        """A bounded piece of what the octets stand for; the octets of the rest stay in the buffer."""
        try:
            inflated = inflater.decompress(data, INFLATED_AT_ONCE_BYTES)
        except zlib.error:
            self.farewell = "Damaged compressed data"
            return b""
        if inflater.eof:
            self._eof = True
        elif inflater.unconsumed_tail or len(inflated) == INFLATED_AT_ONCE_BYTES:
            self._buffer.append(inflater.unconsumed_tail)
            self._buffered = len(inflater.unconsumed_tail)
        return inflated

    def poke(self) -> None:
        """Let `wait` return."""
        self._poked = True
        self._wake_reader()

    def write(self, data: bytes) -> None:
        """Send, now or when the client takes it. After the connection is lost nothing happens."""
        if self._transport is not None and data:
            self._transport.write(data)

    def write_each(self, parts: list[bytes]) -> None:
        """The same for many pieces, which the kernel collects."""
        if self._transport is not None and parts:
            self._transport.writelines(parts)

    async def drain(self) -> None:
        """Wait while too much is unsent. Raises ConnectionResetError when the connection is lost."""
        if self._transport is None:
            raise ConnectionResetError("connection lost")
        if self._blocked:
            self._writable = self._loop.create_future()
            try:
                await self._writable
            finally:
                self._writable = None

    async def start_tls(self) -> None:
        """Begin TLS. Whatever was received before the handshake is discarded.

        Write the positive answer and call this at once: reading stops first, so the client's first TLS record cannot
        be mistaken for text. Raises OSError when there is no handshake.
        """
        if self._transport is None or self._tls_context is None:
            raise ConnectionResetError("connection lost")
        plain = self._transport
        plain.pause_reading()
        self._buffer.clear()
        self._buffered = 0
        try:
            transport = await self._loop.start_tls(
                plain, self, self._tls_context, server_side=True, ssl_handshake_timeout=HANDSHAKE_LIMIT_S
            )
        except (ssl.SSLError, TimeoutError) as error:
            plain.abort()
            raise ConnectionResetError("no TLS handshake") from error
        if transport is None:
            raise ConnectionResetError("connection lost during the TLS handshake")
        transport.set_write_buffer_limits(high=WRITE_LIMIT_BYTES)
        self._transport = transport
        self._paused = self._blocked = False
        self.tls = True
        self.end_point = end_point_of(self._tls_context)

    def start_compression(self, early: bytes) -> None:
        """Both directions are deflate streams from now on; the client's begins with `early`, sent with the command."""
        if self._transport is None:
            raise ConnectionResetError("connection lost")
        self._transport = DeflateTransport(self._transport)
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        if early:
            self._buffer.insert(0, early)
            self._buffered += len(early)

    def expire(self, farewell: str) -> None:
        """Time is up: once the session has read what has arrived, it reads the end of the connection.

        One that cannot even write is cut off.
        """
        if self._blocked and self._transport is not None:
            self._transport.abort()
        self.farewell = farewell
        self._wake_reader()

    def close(self) -> None:
        """Send what was written, then end. Who does not take it, or does not answer the end of TLS, is cut off."""
        if self._transport is not None:
            self._transport.close()
            if self._ending is None:
                self._ending = Ending(self._transport, ENDING_LOOK_S, ENDING_LOOKS)

    def _next_data(self) -> asyncio.Future[None]:
        """Not a coroutine: thousands of sessions wait here, and each would keep one more frame."""
        self._readable = future = self._loop.create_future()
        return future

    def _wake_reader(self) -> None:
        readable, self._readable = self._readable, None
        if readable is not None and not readable.done():
            readable.set_result(None)
