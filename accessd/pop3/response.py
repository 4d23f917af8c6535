"""POP3 responses as bytes (RFC 1939 section 3, response codes RFC 2449 section 8 and RFC 3206). Sans-IO."""

from __future__ import annotations

from collections.abc import Iterable

END = b".\r\n"
MAX_TEXT = 400


def positive(text: str = "") -> bytes:
    """+OK and a text for people."""
    return b"+OK" + _tail(text)


def negative(text: str, code: str = "") -> bytes:
    """-ERR, perhaps with a response code for programs: IN-USE, AUTH, SYS/TEMP, SYS/PERM."""
    return b"-ERR" + _tail(f"[{code}] {text}" if code else text)


def challenge(text: str = "") -> bytes:
    """A continuation of AUTH (RFC 5034 section 4)."""
    return f"+ {text}\r\n".encode("ascii")


def listing(lines: Iterable[str]) -> bytes:
    """Lines of a multi-line response, without its first line and its end. None of ours begins with a dot."""
    return "".join(f"{line}\r\n" for line in lines).encode("ascii")


def stuffed(message: bytes) -> bytes:
    """A whole message in wire form as the rest of a multi-line response: dots doubled, the end added."""
    stuffer = Stuffer()
    return stuffer.feed(message) + stuffer.finish()


class Stuffer:
    """The same for a message that comes in pieces; no piece may end between CR and LF."""

    __slots__ = ("_at_line_start",)

    def __init__(self) -> None:
        self._at_line_start = True

    def feed(self, piece: bytes) -> bytes:
        """The next piece with its leading dots doubled."""
        if not piece:
            return b""
        dot_first = self._at_line_start and piece.startswith(b".")
        self._at_line_start = piece.endswith(b"\n")
        if b"\n." in piece:
            piece = piece.replace(b"\n.", b"\n..")
        return b"." + piece if dot_first else piece

    def finish(self) -> bytes:
        """The end of the response, on a line of its own."""
        return END if self._at_line_start else b"\r\n" + END


def _tail(text: str) -> bytes:
    """What comes from elsewhere must not become a line of its own."""
    if not text:
        return b"\r\n"
    return b" " + " ".join(text[:MAX_TEXT].split()).encode("ascii", "replace") + b"\r\n"
