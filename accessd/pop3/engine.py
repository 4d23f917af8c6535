"""Bytes of a POP3 client -> lines. Sans-IO.

Lines end with LF, with or without CR before it, for people who type; a line longer than its limit is reported once and
skipped to its end, so that memory stays bounded. What a client sends in advance (PIPELINING) waits here.
"""

from __future__ import annotations

# RFC 2449 section 4, with the line end.
MAX_COMMAND = 255
# What carries credentials may be longer: tokens, SASL responses (the number of RFC 4954 section 4).
MAX_CREDENTIALS = 12_288
_CREDENTIALS = (b"AUTH ", b"PASS ")


class LineTooLong(Exception):
    """A line was skipped because it was longer than the limit."""


class Engine:
    """Feed with `receive`, then take lines until None comes."""

    __slots__ = ("_buffer", "_searched", "_skipping")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._skipping = False

    def receive(self, data: bytes) -> None:
        """Add what came from the client."""
        self._buffer += data

    def next_line(self, *, is_command: bool = True) -> bytes | None:
        """The next complete line without its end, None if more data is needed. Raises LineTooLong."""
        end = self._buffer.find(b"\n", self._searched)
        if end < 0:
            self._searched = len(self._buffer)
            if self._skipping or len(self._buffer) > self._limit(is_command):
                self._skipping = True
                self._drop()
            return None
        too_long = self._skipping or end + 1 > self._limit(is_command)
        line = bytes(self._buffer[:end]).removesuffix(b"\r")
        del self._buffer[: end + 1]
        self._searched = 0
        if too_long:
            self._skipping = False
            raise LineTooLong
        return line

    def discard(self) -> None:
        """Forget everything received: what came before a TLS handshake must not count after it (RFC 2595 section 2)."""
        self._drop()
        self._skipping = False

    def _limit(self, is_command: bool) -> int:
        return MAX_COMMAND if is_command and self._buffer[:5].upper() not in _CREDENTIALS else MAX_CREDENTIALS

    def _drop(self) -> None:
        """Forget the octets, but not that a long line is being skipped."""
        self._buffer.clear()
        self._searched = 0
