"""What accessd.imap.engine tells of a client's half of the dialogue: commands, and the pieces of those with messages.

Sans-IO. A command without messages is one CommandReceived, with ContinuationNeeded before each literal that the client
waits to send. One with messages is LiteralStarted and its LiteralChunks for each message or part of one, then
UploadFinished. Whatever is no command is Rejected.
"""

from __future__ import annotations

from dataclasses import dataclass

from accessd.imap.command import Command
from accessd.imap.grammar.args_append import Text, Upload


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A complete command."""

    tag: bytes
    name: str
    command: Command


@dataclass(frozen=True, slots=True)
class ContinuationNeeded:
    """The client waits for `+` before it sends a literal."""


@dataclass(frozen=True, slots=True)
class LiteralStarted:
    """A message, or a part of one, comes next: the last part of the last message in `command`, which holds what has
    been read of the command so far. Answer with `accept_literal` or `refuse_literal`.
    """

    tag: bytes
    name: str
    command: Upload
    literal: Text
    synchronising: bool
    """The client waits for `+` before it sends the octets."""


@dataclass(frozen=True, slots=True)
class LiteralChunk:
    """A piece of it."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UploadFinished:
    """The command of which LiteralStarted told is complete."""

    tag: bytes


@dataclass(frozen=True, slots=True)
class Rejected:
    """Not a command: answer BAD (seldom NO), untagged when even the tag is unreadable."""

    tag: bytes | None
    text: str
    status: str = "BAD"
    code: bytes = b""


Event = CommandReceived | ContinuationNeeded | LiteralStarted | LiteralChunk | UploadFinished | Rejected


class LineTooLong(ValueError):
    """A line that is not a command (SASL, IDLE) is over the limit."""


class LiteralTooLong(LineTooLong):
    """A refused command has more octets than are read past."""
