"""The MIME part tree of a message with byte offsets (RFC 2045, RFC 2046 section 5).

Takes wire form; all offsets are into it. Never raises, on whatever bytes. One pass from top to bottom with an
explicit stack: time is linear in the size, however parts are nested or boundaries are abused, and the tree is
never deeper than MAX_DEPTH nor larger than MAX_PARTS; what goes beyond is content of the last part. Fields are read
of the first MAX_HEADER_BYTES of header.

How broken mail is read: a boundary of an outer multipart ends all inner ones; a multipart that is never
closed ends with its surroundings; a multipart without a usable boundary has no children; a Content-Type that
cannot be read is text/plain.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from mailcore.message.headers import Headers, parse_headers
from mailcore.message.parameters import Parameters, parameter, parse_content_type, parse_token

MAX_DEPTH = 60
MAX_PARTS = 2_000
# Of all header sections together; what comes after them is not read for fields. Addresses and encoded words cost a
# second of CPU per MiB when somebody means harm, and a message may be nothing but them.
MAX_HEADER_BYTES = 2 << 20
# RFC 2046 allows 70; senders have gone beyond.
MAX_BOUNDARY = 200

_DEFAULT_TEXT = ("text", "plain", (("charset", b"us-ascii"),))


@dataclass(frozen=True, slots=True)
class Part:
    """One part; the message itself is the root. [header_start, body_start) is its header with the empty line,
    [body_start, body_end) its body. A message/rfc822 or message/global part has one child: the message in it.

    `lines` is counted for text and message/rfc822, where BODYSTRUCTURE shows it, and 0 for others.
    """

    header_start: int
    body_start: int
    body_end: int
    headers: Headers
    type: str
    subtype: str
    parameters: Parameters
    encoding: str
    lines: int
    children: tuple["Part", ...]

    @property
    def size(self) -> int:
        """Octets of the body as transferred."""
        return self.body_end - self.body_start

    @property
    def is_multipart(self) -> bool:
        return self.type == "multipart"

    @property
    def is_message(self) -> bool:
        """message/rfc822 or message/global whose message has been parsed."""
        return self.type == "message" and bool(self.children)


class Octets(Protocol):
    """What is asked of a message: bytes, or something that reads a large one where it is looked at."""

    def __len__(self) -> int: ...

    def __getitem__(self, wanted: slice, /) -> bytes: ...

    def startswith(self, prefix: bytes, start: int = 0, /) -> bool: ...

    def find(self, wanted: bytes, start: int = 0, end: int | None = None, /) -> int: ...

    def count(self, octet: bytes, start: int, end: int, /) -> int: ...


def parse_structure(data: Octets) -> Part:
    """The part tree of a message in wire form."""
    return _Parser(data).parse()


def walk(root: Part, path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Part]]:
    """Every part a client can name, with its IMAP part number, depth first; messages inside messages too."""
    if not root.is_multipart:
        yield from _walk_part(root, (*path, 1))
        return
    for number, child in enumerate(root.children, 1):
        yield from _walk_part(child, (*path, number))


def _walk_part(part: Part, path: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Part]]:
    yield path, part
    if part.is_message:
        yield from walk(part.children[0], path)
    elif part.is_multipart:
        yield from walk(part, path)


class _Open:
    """A part whose end is not known yet."""

    __slots__ = (
        "body_start",
        "boundary",
        "children",
        "encoding",
        "header_start",
        "headers",
        "media",
        "shadowed",
    )

    def __init__(self, header_start: int, body_start: int, headers: Headers) -> None:
        self.header_start = header_start
        self.body_start = body_start
        self.headers = headers
        self.media: tuple[str, str, Parameters] = _DEFAULT_TEXT
        self.encoding = "7bit"
        self.children: list[Part] = []
        self.boundary: bytes | None = None
        # Where on the stack the outer multipart with the same boundary is, while this one hides it.
        self.shadowed: int | None = None

    @property
    def holds_message(self) -> bool:
        """message/global is of RFC 6532 section 3.7; RFC 9051 shows both alike."""
        return self.media[0] == "message" and self.media[1] in ("rfc822", "global")


class _Parser:
    def __init__(self, data: Octets) -> None:
        self._data = data
        self._stack: list[_Open] = []
        self._boundaries: dict[bytes, int] = {}
        self._parts = 0
        self._empty_line = -1
        self._header_budget = MAX_HEADER_BYTES
        self._root: Part | None = None

    def parse(self) -> Part:
        position = self._open_part(0)
        while self._boundaries and self._parts < MAX_PARTS:
            position = self._next_delimiter(position)
            if position < 0:
                break
        self._close_down_to(0, len(self._data))
        assert self._root is not None
        return self._root

    def _next_delimiter(self, position: int) -> int:
        """Look at the next line that starts with "--"; returns where to go on, -1 when there is none."""
        start = self._data.find(b"\n--", position)
        if start < 0:
            return -1
        line_end = self._line_end(start + 1)
        level, closing = self._delimiter(start + 1, line_end)
        if level is None:
            return line_end
        self._close_down_to(level + 1, start - 1)
        if not closing:
            return self._open_part(min(line_end + 1, len(self._data)))
        self._forget_boundary(self._stack[level])
        return line_end

    def _line_end(self, start: int) -> int:
        end = self._data.find(b"\n", start)
        return len(self._data) if end < 0 else end

    def _delimiter(self, start: int, line_end: int) -> tuple[int | None, bool]:
        """(level on the stack, is it the closing one) of a line that starts with "--"; (None, _) if it is no
        delimiter."""
        line = self._data[start + 2 : min(line_end, start + MAX_BOUNDARY + 8)].rstrip()
        level = self._boundaries.get(line)
        if level is not None:
            return level, False
        if line.endswith(b"--") and (level := self._boundaries.get(line[:-2])) is not None:
            return level, True
        # It is enough that a line begins with the boundary (RFC 2046 section 5.1.1); of several with the longest.
        for boundary in sorted(self._boundaries, key=len, reverse=True):
            if line.startswith(boundary):
                return self._boundaries[boundary], line.startswith(b"--", len(boundary))
        return None, False

    def _open_part(self, start: int) -> int:
        """Read the header at `start`, push the part, and the messages it consists of. Returns where its body
        starts, one octet back: a delimiter is recognised by the line break in front of it."""
        while True:
            end, cut_short = self._header_end(start)
            part = _Open(start, end, self._fields(start, end))
            self._parts += 1
            self._read_type(part)
            self._stack.append(part)
            if not part.holds_message or cut_short:
                return max(end - 1, 0)
            start = end

    def _fields(self, start: int, end: int) -> Headers:
        block = self._data[start : min(end, start + self._header_budget)]
        self._header_budget -= len(block)
        return parse_headers(block)

    def _header_end(self, start: int) -> tuple[int, bool]:
        """Behind the empty line; or at the delimiter that comes before it, and then True."""
        data = self._data
        if data.startswith(b"\r\n", start):
            end = start + 2
        else:
            # Kept from the last search: parts without an empty line must not each search the whole rest
            # again.
            if self._empty_line < start:
                found = data.find(b"\r\n\r\n", start)
                self._empty_line = len(data) if found < 0 else found
            end = min(self._empty_line + 4, len(data))
        position = max(start - 1, 0)
        while self._boundaries:
            position = data.find(b"\n--", position, end)
            if position < 0:
                break
            line_end = self._line_end(position + 1)
            if self._delimiter(position + 1, line_end)[0] is not None:
                return max(position + 1, start), True
            position = line_end
        return end, False

    def _read_type(self, part: _Open) -> None:
        headers = part.headers
        if (encoding := headers.first(b"content-transfer-encoding")) is not None:
            part.encoding = parse_token(encoding) or "7bit"
        if (content_type := headers.first(b"content-type")) is not None:
            part.media = parse_content_type(content_type) or _DEFAULT_TEXT
        elif self._stack and self._stack[-1].media[:2] == ("multipart", "digest"):
            part.media = ("message", "rfc822", ())
        if part.media[0] == "multipart":
            self._expect_boundary(part)
        elif part.holds_message and len(self._stack) >= MAX_DEPTH:
            part.media = ("application", "octet-stream", ())

    def _expect_boundary(self, part: _Open) -> None:
        boundary = (parameter(part.media[2], "boundary") or b"").rstrip()
        if not boundary or len(boundary) > MAX_BOUNDARY or len(self._stack) >= MAX_DEPTH:
            return
        part.boundary = boundary
        part.shadowed = self._boundaries.get(boundary)
        self._boundaries[boundary] = len(self._stack)

    def _forget_boundary(self, part: _Open) -> None:
        if part.boundary is None:
            return
        if part.shadowed is None:
            self._boundaries.pop(part.boundary, None)
        else:
            self._boundaries[part.boundary] = part.shadowed
        part.boundary = None

    def _close_down_to(self, level: int, end: int) -> None:
        """Everything from `level` upwards on the stack ends at `end`."""
        while len(self._stack) > level:
            part = self._stack.pop()
            self._forget_boundary(part)
            closed = self._finished(part, max(end, part.body_start))
            if self._stack:
                self._stack[-1].children.append(closed)
            else:
                self._root = closed

    def _finished(self, part: _Open, end: int) -> Part:
        main, sub, parameters = part.media
        is_message = part.holds_message
        if is_message and not part.children:
            part.children.append(_empty_message(part.body_start))
        if part.children:
            # A header that a delimiter has cut short keeps its last line end.
            end = max(end, part.children[-1].body_end)
        lines = self._data.count(b"\n", part.body_start, end) if main == "text" or is_message else 0
        return Part(
            part.header_start,
            part.body_start,
            end,
            part.headers,
            main,
            sub,
            parameters,
            part.encoding,
            lines,
            tuple(part.children),
        )


def _empty_message(position: int) -> Part:
    main, sub, parameters = _DEFAULT_TEXT
    return Part(position, position, position, Headers([]), main, sub, parameters, "7bit", 0, ())
