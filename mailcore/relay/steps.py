"""What a dialogue of mailcore.relay.client asks to be done, and how long each answer may take."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from mailcore.reply import Reply

# RFC 5321 section 4.5.3.2; what it does not name has the time of a command.
GREETING_S = 300.0
COMMAND_S = 300.0
DATA_S = 120.0
BLOCK_S = 180.0
END_OF_DATA_S = 600.0


@dataclass(frozen=True, slots=True)
class Send:
    """Send these command lines; they need not leave before the next Receive or Sent."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Receive:
    """Wait for the next reply, which is sent into the generator; `after` says for people what it answers."""

    timeout_s: float
    after: str


@dataclass(frozen=True, slots=True)
class StartTls:
    """Drop what has been received and not been read, then shake hands."""


@dataclass(frozen=True, slots=True)
class SendContent:
    """Send the message and the end of data."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent must be on its way now; the server thinks: time to do something else."""


Step = Send | Receive | StartTls | SendContent | Sent
Dialogue = Generator[Step, Reply | None, None]
Answer = Generator[Step, Reply | None, Reply]


def receive(timeout_s: float, after: str) -> Answer:
    """The next reply, to be used with `yield from`."""
    reply = yield Receive(timeout_s, after)
    assert reply is not None, "the performer of steps answers every Receive"
    return reply
