"""Line ends: LF in files, CRLF on the wire, and nothing else in either.

On disk every line ends in LF and there is no CR. On the wire every line ends in CRLF and there is no bare CR
or bare LF (RFC 5321 section 2.3.8, RFC 3501 section 2.2). A bare CR becomes a space in both directions, so
the two forms always have the same lines, and `wire_size` is right for any bytes without converting them.

`ToDisk` and `ToWire` do the same for a stream: however the input is cut into chunks, the output is that of
the whole.
"""

CRLF = b"\r\n"


def to_wire(data: bytes) -> bytes:
    """The wire form of `data`: LF and CRLF become CRLF, a bare CR a space. Wire form is returned
    unchanged."""
    if b"\r" not in data:
        return data.replace(b"\n", CRLF)
    pairs = data.count(CRLF)
    if pairs == data.count(b"\n") and pairs == data.count(b"\r"):
        return data
    return to_disk(data).replace(b"\n", CRLF)


def to_disk(data: bytes) -> bytes:
    """The disk form of `data`: CRLF becomes LF, a bare CR a space. Disk form is returned unchanged."""
    if b"\r" not in data:
        return data
    data = data.replace(CRLF, b"\n")
    return data.replace(b"\r", b" ") if b"\r" in data else data


def wire_size(data: bytes) -> int:
    """len(to_wire(data)), without making the copy."""
    return len(data) + data.count(b"\n") - data.count(CRLF)


class _Converter:
    """Keeps back a CR at the end of a chunk until the next chunk shows whether an LF follows."""

    __slots__ = ("_pending_cr",)

    def __init__(self) -> None:
        self._pending_cr = False

    def _take(self, chunk: bytes) -> bytes:
        if self._pending_cr:
            chunk = b"\r" + chunk
        self._pending_cr = chunk.endswith(b"\r")
        return chunk[:-1] if self._pending_cr else chunk

    def close(self) -> bytes:
        """What is left when the input has ended: a CR nothing followed is a bare one."""
        pending, self._pending_cr = self._pending_cr, False
        return b" " if pending else b""


class ToDisk(_Converter):
    """`to_disk` for a stream: b"".join(feed(chunk) for each chunk) + close()."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> bytes:
        """The disk form of what is certain so far and was not returned before."""
        return to_disk(self._take(chunk)) if chunk else b""


class ToWire(_Converter):
    """`to_wire` for a stream: b"".join(feed(chunk) for each chunk) + close()."""

    __slots__ = ()

    def feed(self, chunk: bytes) -> bytes:
        """The wire form of what is certain so far and was not returned before."""
        return to_wire(self._take(chunk)) if chunk else b""
