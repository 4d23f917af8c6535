"""A transport that compresses what is written (RFC 4978, RFC 1951): one stream, flushed when nobody writes more.

What is written within one turn of the event loop is one block for the client. The window and the hash tables are small:
a session that compresses costs 38 KiB for this and up to 40 KiB for the client's stream, whose window is the client's
choice.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from typing import Any

# Fast before small: it runs on the event loop.
LEVEL = 3
WINDOW_BITS = 12
MEMORY_LEVEL = 5
INFLATED_AT_ONCE_BYTES = 64 * 1024
"""How much a reader gets at a time, whatever a few octets stand for."""


class DeflateTransport(asyncio.Transport):
    """Stands in front of another transport. Reading is not its business."""

    __slots__ = ("_compressor", "_is_flush_due", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        # A negative number of bits: without zlib's own header, as the RFC says.
        self._compressor = zlib.compressobj(LEVEL, zlib.DEFLATED, -WINDOW_BITS, MEMORY_LEVEL)
        self._is_flush_due = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Compress; sent is what the stream gives, the rest in the next turn of the loop."""
        self._send(self._compressor.compress(data))
        self._flush_soon()

    def writelines(self, parts: Iterable[bytes | bytearray | memoryview]) -> None:
        """The same for many pieces."""
        compress = self._compressor.compress
        self._send(b"".join([compress(part) for part in parts]))
        self._flush_soon()

    def flush(self) -> None:
        """Let the client have all that was written."""
        if self._is_flush_due:
            self._is_flush_due = False
            self._send(self._compressor.flush(zlib.Z_SYNC_FLUSH))

    def close(self) -> None:
        """Send what was written, then end."""
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        """End at once."""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Is the connection at its end?"""
        return self._transport.is_closing()

    def pause_reading(self) -> None:
        """Of the other transport."""
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Of the other transport."""
        self._transport.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Of the other transport."""
        return self._transport.get_extra_info(name, default)

    def _flush_soon(self) -> None:
        if not self._is_flush_due:
            self._is_flush_due = True
            self._loop.call_soon(self.flush)

    def _send(self, data: bytes) -> None:
        if data and not self._transport.is_closing():
            self._transport.write(data)
