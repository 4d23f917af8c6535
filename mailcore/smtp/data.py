"""Message content on an SMTP connection: RFC 5321 section 4.5.2 (DATA) and RFC 3030 (BDAT). Sans-IO.

On the wire a line ends with CRLF and a leading dot is doubled; on disk a line ends with LF and nothing is stuffed.
The readers turn the first into the second, the writer does the reverse, a block at a time: no loop over lines.

A sender that ends its lines with LF alone has doubled the dots behind them (Python's smtplib does when it is given
bytes): they are halved, as Postfix does. "\\n.x" keeps its dot: only a sender with another idea of lines can mean it.

Promises: DATA ends at CRLF "." CRLF and at nothing else; a bare LF is a line end, a bare CR becomes a space, so what
leaves again cannot hold a line end or an end of data that a stricter or laxer host reads differently ("SMTP
smuggling"); the result does not depend on how the bytes were cut into blocks.
"""

from __future__ import annotations

import re

END_OF_DATA = b"\r\n.\r\n"
_STUFFED_BEHIND_BARE_LF = re.compile(rb"(?<!\r)\n\.\.")


def _held_back(block: bytes) -> int:
    """How many of the last bytes may be the beginning of the end of data, or of a doubled dot behind a bare LF."""
    for length in (4, 3, 2, 1):
        if block.endswith(END_OF_DATA[:length]):
            return length
    if block.endswith(b"\n."):
        return 2
    return 1 if block.endswith(b"\n") else 0


def _to_disk(wire: bytes) -> bytes:
    """Complete wire bytes (no CRLF cut in two) in disk form."""
    text = wire.replace(b"\r\n", b"\n")
    return text.replace(b"\r", b" ") if b"\r" in text else text


class DataReader:
    """The content after DATA. `feed` returns disk form; after the end, `rest` is what followed it."""

    __slots__ = ("_held", "_skip", "done", "rest", "wire_size")

    def __init__(self) -> None:
        # The 354 reply stands at the start of a line: a CRLF seen before the first byte, dropped from the result.
        self._held = b"\r\n"
        self._skip = 1
        self.done = False
        self.rest = b""
        self.wire_size = 0

    def feed(self, block: bytes) -> bytes:
        """The next piece of the message in disk form; may be empty. Nothing is read after the end of data."""
        block = self._held + block
        end = block.find(END_OF_DATA)
        if end >= 0:
            self.done = True
            self.rest = block[end + 5 :]
            self._held = b""
            body = block[: end + 2]
        else:
            keep = _held_back(block)
            cut = len(block) - keep
            self._held = block[cut:]
            body = block[:cut]
        return self._convert(body)

    def _convert(self, body: bytes) -> bytes:
        if b"\n.." in body:
            body = _STUFFED_BEHIND_BARE_LF.sub(b"\n.", body)
        if b"\r\n." in body:
            body = body.replace(b"\r\n.", b"\r\n")
        text = _to_disk(body)
        if self._skip and text:
            text = text[1:]
            self._skip = 0
        self.wire_size += len(text) + text.count(b"\n")
        return text


class ChunkReader:
    """The content of a series of BDAT chunks: as DataReader, without dots and without an end mark."""

    __slots__ = ("_held", "_last", "wire_size")

    def __init__(self) -> None:
        self._held = b""
        self._last = b"\n"
        self.wire_size = 0

    def feed(self, block: bytes) -> bytes:
        """The next piece in disk form; a CR at the end of the block waits for its LF."""
        block = self._held + block
        if block.endswith(b"\r"):
            self._held = b"\r"
            block = block[:-1]
        else:
            self._held = b""
        return self._count(_to_disk(block))

    def finish(self) -> bytes:
        """What was held back, and a line end if the last line has none."""
        text = b" " if self._held else b""
        self._held = b""
        if text or self._last != b"\n":
            text += b"\n"
        return self._count(text)

    def _count(self, text: bytes) -> bytes:
        if text:
            self._last = text[-1:]
            self.wire_size += len(text) + text.count(b"\n")
        return text


class DataWriter:
    """Disk form to what is sent after 354: CRLF line ends, leading dots doubled, `finish` ends the data."""

    __slots__ = ("_held_cr", "_line_start")

    def __init__(self) -> None:
        self._line_start = True
        self._held_cr = False

    def feed(self, block: bytes) -> bytes:
        """The wire form of the next block. Line ends that are CRLF already are left as one; a bare CR is a space."""
        if self._held_cr:
            block = b"\r" + block
            self._held_cr = False
        if b"\r" in block:
            if block.endswith(b"\r"):
                self._held_cr = True
                block = block[:-1]
            block = _to_disk(block)
        return self._stuff(block)

    def finish(self) -> bytes:
        """The end of data, on a line of its own."""
        tail = self._stuff(b" ") if self._held_cr else b""
        self._held_cr = False
        return tail + (b".\r\n" if self._line_start else b"\r\n.\r\n")

    def _stuff(self, text: bytes) -> bytes:
        if not text:
            return b""
        dot_first = self._line_start and text.startswith(b".")
        self._line_start = text.endswith(b"\n")
        if b"\n." in text:
            text = text.replace(b"\n.", b"\n..")
        wire = text.replace(b"\n", b"\r\n")
        return b"." + wire if dot_first else wire
