"""Bytes from a client become commands (RFC 3501 section 2.2.1, LITERAL+ and LITERAL- of RFC 7888). Sans-IO.

Feed what arrives to `receive_data`, then call `next_event` until it returns None. Promises:

- what follows one command stays untouched until it is asked for, so pipelined commands wait their turn;
- memory is bounded: lines and literals are limited (tightly before login), and the messages of an APPEND are
  handed on in pieces as they arrive, each after the caller has said with `accept_literal` that it wants it;
- a command that is too long or makes no sense costs that command, not the connection: with its literals it is
  read past, and `Rejected` says what to answer; for a message that is too big, before its octets come (RFC 7888
  section 4). What is far larger than the largest message is not read past: LiteralTooLong ends the connection.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto

from accessd.imap.command_limits import ANY_SIZE_BYTES, BEFORE_LOGIN, Limits
from accessd.imap.command_line import read_command, tag_of
from accessd.imap.events import (
    CommandReceived,
    ContinuationNeeded,
    Event,
    LineTooLong,
    LiteralChunk,
    LiteralStarted,
    LiteralTooLong,
    Rejected,
    UploadFinished,
)
from accessd.imap.grammar.args_append import OpenLiteral, Reading, Text, UploadParser
from accessd.imap.grammar.command_args import ArgumentsParser
from accessd.imap.grammar.tokens import BadSyntax, Scanner

_CRLF = b"\r\n"
_ANNOUNCED = re.compile(rb"~?\{(\d{1,20})(\+?)\}\Z")
_ANNOUNCED_MAX = 25
_COMMAND = re.compile(rb'([^\x00-\x20\x7f-\xff(){%*"\\+]{1,100}) ((?:UID )?[A-Z]{1,20})(?= )', re.IGNORECASE)

MORE_TO_READ_PAST_BYTES = 4 * 1024 * 1024
"""Beyond the largest message; of one command."""


class _Mode(Enum):
    COMMAND = auto()
    HELD = auto()
    """A literal waits for the caller's decision."""
    MESSAGE = auto()


@dataclass(slots=True)
class _Upload:
    """A command that carries messages, under way."""

    tag: bytes
    name: str
    reading: Reading
    has_begun: bool = False
    """Has the caller heard of it?"""


class Engine:
    """One client's half of the dialogue."""

    __slots__ = (
        "_buffer",
        "_doomed",
        "_fragment",
        "_held",
        "_left",
        "_literals",
        "_mode",
        "_parsers",
        "_past",
        "_skip",
        "_upload",
        "limits",
        "modes",
    )

    def __init__(self, parsers: Mapping[str, ArgumentsParser], limits: Limits = BEFORE_LOGIN) -> None:
        self.limits = limits
        self.modes = 0
        """What the client has enabled: bits of accessd.imap.enabled."""
        self._parsers = parsers
        self._buffer = bytearray()
        self._mode = _Mode.COMMAND
        # The command being collected is at the start of the buffer; its last fragment starts here. With a
        # literal under way this is beyond the end of the buffer.
        self._fragment = 0
        self._literals = 0
        # Octets of a refused literal that are still to be read past.
        self._skip = 0
        # All that was to be read past since the command was refused.
        self._past = 0
        self._doomed: Rejected | None = None
        self._held: LiteralStarted | None = None
        self._upload: _Upload | None = None
        self._left = 0

    def receive_data(self, data: bytes) -> None:
        """What came from the network."""
        if self._skip:
            past = min(self._skip, len(data))
            self._skip -= past
            data = data[past:]
        self._buffer += data

    def discard_input(self) -> None:
        """Forget everything received: what came before a TLS handshake must not count after it."""
        self._buffer.clear()
        self._reset()

    def take_input(self) -> bytes:
        """What was received behind the command that was answered last, and is not to be read as it is (RFC 4978)."""
        taken = bytes(self._buffer)
        self._buffer.clear()
        return taken

    def next_line(self) -> bytes | None:
        """One line without its CRLF that is not a command: a SASL response, DONE."""
        end = self._buffer.find(_CRLF)
        if end > self.limits.line_bytes or (end < 0 and len(self._buffer) > self.limits.line_bytes):
            raise LineTooLong(self.limits.line_bytes)
        if end < 0:
            return None
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def accept_literal(self) -> None:
        """Take the octets announced by `LiteralStarted`."""
        assert self._held is not None
        self._left = self._held.literal.size
        self._mode = _Mode.MESSAGE

    def refuse_literal(self) -> None:
        """Do not take them, nor the rest of the command, which the caller answers now. A client that waits for `+` will
        send no more of it; what comes anyway is read past.
        """
        held = self._held
        assert held is not None
        self._reset()
        if not held.synchronising:
            self._read_past(held.literal.size)
            self._doomed = Rejected(None, "")

    def next_event(self) -> Event | None:
        """What the client wants, or None until more arrives. Raises LiteralTooLong."""
        event = None
        if self._mode is _Mode.COMMAND:
            event = self._collect()
        elif self._mode is _Mode.MESSAGE:
            event = self._next_chunk()
        if event is None and self._is_beyond:
            raise LiteralTooLong(self._past)
        return event

    # One command, fragment by fragment.

    def _collect(self) -> Event | None:
        while not self._skip and self._fragment <= len(self._buffer):
            end = self._buffer.find(_CRLF, self._fragment)
            text_bytes = (len(self._buffer) if end < 0 else end) - self._literals
            if text_bytes > self.limits.line_bytes:
                self._doom("Command line too long")
                end = self._buffer.find(_CRLF)
            if end < 0:
                return None
            announced = _ANNOUNCED.search(self._buffer, max(self._fragment, end - _ANNOUNCED_MAX), end)
            if announced is None:
                event = self._complete(end)
            else:
                event = self._literal(end, int(announced.group(1)), synchronising=not announced.group(2))
            if event is not None:
                return event
        return None

    def _complete(self, end: int) -> Event | None:
        text = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        doomed, upload = self._doomed, self._upload
        self._reset()
        if doomed is not None:
            return doomed if doomed.text else None
        if upload is not None:
            return self._finish(upload, text)
        return read_command(text, self._parsers, self.modes)

    def _literal(self, end: int, size: int, *, synchronising: bool) -> Event | None:
        if not synchronising and size > self.limits.unasked_bytes:
            self._doom_with(bytes(self._buffer[:end]), "Literal too long to be sent without waiting")
        if self._doomed is None and self._is_upload(end):
            try:
                return self._start_literal(end, size, synchronising=synchronising)
            except OpenLiteral:
                pass
        if self._doomed is None and self._literals + size > self.limits.literal_bytes:
            self._doom_with(bytes(self._buffer[:end]), "Literal too long")
        if self._doomed is not None:
            return self._drop_literal(end, size, synchronising=synchronising)
        self._literals += size
        self._fragment = end + 2 + size
        return ContinuationNeeded() if synchronising else None

    def _drop_literal(self, end: int, size: int, *, synchronising: bool) -> Event | None:
        """Part of a command that is refused already."""
        del self._buffer[: end + 2]
        self._fragment = self._literals = 0
        doomed = self._doomed
        if synchronising:
            self._reset()
        else:
            self._read_past(size)
            if not self._is_beyond:
                return None
        return doomed if doomed is not None and doomed.text else None

    # Commands that carry messages.

    def _is_upload(self, end: int) -> bool:
        """Is it one that may have literals which are handed on?"""
        if self._upload is None and (found := _COMMAND.match(self._buffer, 0, end)):
            name = found.group(2).decode("ascii").upper()
            parser = self._parsers.get(name)
            if isinstance(parser, UploadParser):
                self._upload = _Upload(found.group(1), name, parser.begin())
                self._upload.reading.position = found.end()
        return self._upload is not None

    def _start_literal(self, end: int, size: int, *, synchronising: bool) -> Event | None:
        """The command up to a literal that is a message or a part of one. Raises OpenLiteral if it is not."""
        upload = self._upload
        assert upload is not None
        refused = self._read_on(upload, bytes(self._buffer[:end]))
        del self._buffer[: end + 2]
        self._fragment = self._literals = 0
        if isinstance(refused, Text):
            upload.reading.position, upload.has_begun = 0, True
            self._held = LiteralStarted(upload.tag, upload.name, upload.reading.command, refused, synchronising)
            self._mode = _Mode.HELD
            return self._held
        self._reset()
        if not synchronising:
            self._read_past(size)
            self._doomed = Rejected(None, "")
        return refused

    def _read_on(self, upload: _Upload, text: bytes) -> Text | Rejected:
        try:
            literal = upload.reading.read(Scanner(text, upload.reading.position, modes=self.modes))
        except BadSyntax as error:
            return Rejected(upload.tag, str(error), error.status, error.code)
        assert literal is not None
        if not self.limits.message_bytes:
            return Rejected(upload.tag, f"{upload.name} is not possible now")
        if upload.reading.command.messages[-1].size > self.limits.message_bytes:
            return Rejected(upload.tag, "Message too big", "NO", b"TOOBIG")
        return literal

    def _finish(self, upload: _Upload, text: bytes) -> Event:
        """The end of the command."""
        try:
            upload.reading.read(Scanner(text, upload.reading.position, modes=self.modes))
        except BadSyntax as error:
            return Rejected(upload.tag, str(error), error.status, error.code)
        if upload.has_begun:
            return UploadFinished(upload.tag)
        return CommandReceived(upload.tag, upload.name, upload.reading.command)

    def _next_chunk(self) -> Event | None:
        if self._left == 0:
            self._mode = _Mode.COMMAND
            return self._collect()
        if not self._buffer:
            return None
        data = bytes(self._buffer[: self._left])
        del self._buffer[: len(data)]
        self._left -= len(data)
        return LiteralChunk(data)

    # Refusing.

    def _doom(self, text: str) -> None:
        """The line is over the limit: keep only what may announce a literal, answer when the command has
        ended.
        """
        self._doom_with(bytes(self._buffer[: self.limits.line_bytes]), text)
        end = self._buffer.find(_CRLF, self._fragment)
        # Nothing of the fragment before, whose line end would be taken for that of the command.
        del self._buffer[: max(self._fragment, (len(self._buffer) if end < 0 else end) - _ANNOUNCED_MAX)]
        self._fragment = self._literals = 0

    def _doom_with(self, text: bytes, reason: str) -> None:
        if self._doomed is None:
            self._doomed = Rejected(tag_of(text) if self._upload is None else self._upload.tag, reason)

    @property
    def _is_beyond(self) -> bool:
        return self._past > self.limits.message_bytes + MORE_TO_READ_PAST_BYTES

    def _read_past(self, size: int) -> None:
        self._past += size
        if self._is_beyond:
            # Whatever comes.
            self._buffer.clear()
            self._skip = ANY_SIZE_BYTES
            return
        past = min(size, len(self._buffer))
        del self._buffer[:past]
        self._skip = size - past

    def _reset(self) -> None:
        self._mode = _Mode.COMMAND
        self._fragment = self._literals = self._skip = self._left = self._past = 0
        self._doomed = self._held = self._upload = None
