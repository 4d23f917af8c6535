"""Replies of another server: bytes to Reply (RFC 5321 section 4.2, enhanced codes of RFC 2034). Sans-IO.

Lenient in what it reads (a bare LF ends a line, text may be missing or not be UTF-8), strict in what it bounds: a
line has at most MAX_LINE bytes, a reply at most MAX_LINES lines. All lines must have the same code; a line that is no
reply line is a BadReply, after which the dialogue cannot go on.
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailcore.errors import MailError
from mailcore.reply import Reply

MAX_LINE = 4096
MAX_LINES = 256

_LINE = re.compile(rb"([2-5]\d\d)(?:([ -])(.*))?", re.DOTALL)
_ENHANCED = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: +|$)")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


class BadReply(MailError):
    """What the server sent is no SMTP reply."""

    temporary = True


class ReplyParser:
    """Collects lines; `next_reply` gives complete replies in order."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._code = 0

    def receive_data(self, data: bytes) -> None:
        """Take what came from the server."""
        self._buffer += data

    @property
    def is_empty(self) -> bool:
        """Whether everything received has been given out."""
        return not self._buffer and not self._lines

    def next_reply(self) -> Reply | None:
        """The next complete reply, or None if more data is needed. Raises BadReply."""
        while (line := self._next_line()) is not None:
            if not self._lines and (reply := _single_line(line)) is not None:
                return reply
            if self._take(line):
                reply = make_reply(self._code, self._lines)
                self._lines = []
                return reply
        return None

    def _next_line(self) -> bytes | None:
        end = self._buffer.find(b"\n")
        if end > MAX_LINE or (end < 0 and len(self._buffer) > MAX_LINE):
            raise BadReply(f"a reply line is longer than {MAX_LINE} bytes")
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line.removesuffix(b"\r")

    def _take(self, line: bytes) -> bool:
        """Add a line to the reply; True when it is the last one."""
        match = _LINE.fullmatch(line)
        if match is None:
            raise BadReply(f"not a reply: {_readable(line[:200])!r}")
        code = int(match[1])
        if self._lines and code != self._code:
            raise BadReply(f"a reply began with {self._code} and went on with {code}")
        if len(self._lines) >= MAX_LINES:
            raise BadReply(f"a reply has more than {MAX_LINES} lines")
        self._code = code
        self._lines.append(_readable(match[3] or b""))
        return match[2] != b"-"


@lru_cache(maxsize=1024)
def _single_line(line: bytes) -> Reply | None:
    """A reply of one line. Servers repeat themselves: most replies have been read before."""
    match = _LINE.fullmatch(line)
    if match is None or match[2] == b"-":
        return None
    return make_reply(int(match[1]), [_readable(match[3] or b"")])


def make_reply(code: int, lines: list[str]) -> Reply:
    """A Reply from the lines after the code; the enhanced code is taken off each line that begins with it."""
    match = _ENHANCED.match(lines[0])
    if match is None or match[1][0] != str(code)[0]:
        return Reply(code, "", "\n".join(lines))
    enhanced = match[1]
    return Reply(code, enhanced, "\n".join(_without(enhanced, line) for line in lines))


def _without(enhanced: str, line: str) -> str:
    first, _, rest = line.partition(" ")
    return rest.lstrip(" ") if first == enhanced else line


def _readable(text: bytes) -> str:
    """Text for people and logs: UTF-8 where it is, no control characters."""
    return _CONTROL.sub("?", text.decode("utf-8", errors="replace"))
