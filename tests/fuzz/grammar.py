"""Dialogues, broken on purpose, into the engine of IMAP and all its parsers.

What must hold of any octets: nothing but LineTooLong is raised; the same events come for every way the octets are cut
into pieces; what is kept is bounded; nothing takes long; and what is answered cannot break out of its line.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from accessd.imap.command_limits import BEFORE_LOGIN, Limits
from accessd.imap.commands import PARSERS
from accessd.imap.engine import Engine
from accessd.imap.events import Event, LineTooLong, LiteralChunk, LiteralStarted, Rejected
from tests.fuzz.mutations import mutated, pieces

TRANSCRIPTS = Path(__file__).parent.parent / "transcripts"
AFTER_LOGIN = Limits(line_bytes=2000, literal_bytes=3000, message_bytes=5000)
STRICT = Limits(line_bytes=300, literal_bytes=200, message_bytes=400, unasked_bytes=100)
TOKENS = (
    b" ", b"(", b")", b'"', b"\\", b"{", b"}", b"{3+}\r\n", b"{3}\r\n", b"~{2+}\r\n", b"{0}\r\n", b"{99999999999}\r\n",
    b"{4097+}\r\n", b"\r\n", b"\r", b"\n", b"\0", b"*", b"%", b"$", b":", b",", b"-1:-5", b"0", b"1:*", b"4294967296",
    b"9223372036854775808", b"[", b"]", b"<", b">", b"<0.1>", b"BODY[", b"NIL", b"\xff", b"\xc3\xa9", b"&", b"&-",
    b"&AOk-", b"UID ", b"NOT ", b"OR ", b"RETURN (", b"CHARSET ", b"UTF8 (", b"CATENATE (", b"URL ", b"()", b"(((((((",
    b".", b"{9999999999999999+}\r\n",
)  # fmt: skip
_CLIENT = re.compile(r"[A-Z]> (.*)")
_LITERAL_LINE = re.compile(r"[A-Z]\| ?(.*)")
_COPIES = 2 * 4096 + 512


def check(seed: int) -> None:
    """One dialogue. AssertionError, or whatever a parser raises, says what is wrong with it."""
    rng = random.Random(seed)
    data = b"".join(mutated(rng, rng.choice(commands()), TOKENS) for _ in range(rng.randrange(1, 6)))
    limits = rng.choice([BEFORE_LOGIN, AFTER_LOGIN, STRICT])
    modes, accepts = rng.randrange(16), rng.random()
    whole = answered([data], limits, modes, accepts)
    assert answered(pieces(rng, data), limits, modes, accepts) == whole
    assert answered(pieces(rng, data), limits, modes, accepts) == whole


def answered(received: list[bytes], limits: Limits, modes: int, accepts: float) -> list[object]:
    """What the engine makes of it, with the pieces of each message put together."""
    engine = Engine(PARSERS, limits)
    engine.modes = modes
    found: list[object] = []
    for piece in received:
        engine.receive_data(piece)
        try:
            for event in _events(engine):
                _note(found, event, engine, accepts)
        except LineTooLong:
            return [*found, "line too long"]
        assert len(engine._buffer) <= limits.line_bytes + limits.literal_bytes + len(piece) + _COPIES
    return found


def _events(engine: Engine) -> Iterator[Event]:
    while (event := engine.next_event()) is not None:
        yield event


def _note(found: list[object], event: Event, engine: Engine, accepts: float) -> None:
    if isinstance(event, LiteralChunk):
        if found and isinstance(found[-1], bytes):
            found[-1] += event.data
        else:
            found.append(event.data)
        return
    found.append(_told(event))
    if isinstance(event, Rejected):
        assert not {"\r", "\n"} & set(event.text)
        assert event.tag is None or re.fullmatch(rb"[\x21-\x7e]{1,100}", event.tag)
        assert not {b"\r"[0], b"\n"[0], b"]"[0]} & set(event.code)
    if isinstance(event, LiteralStarted):
        # The same answer for the same literal, however it arrived.
        if (event.literal.size * 0.61803) % 1 < accepts:
            engine.accept_literal()
        else:
            engine.refuse_literal()


def _told(event: Event) -> str:
    """All of an event; of the messages a command has got so far only the last, or many would cost their square."""
    if isinstance(event, LiteralStarted):
        last = event.command.messages[-1]
        return repr((event.tag, event.name, event.command.mailbox, last, event.literal, event.synchronising))
    return repr(event)


@cache
def commands() -> tuple[bytes, ...]:
    """What clients say in the transcripts, each with its literal."""
    found: list[bytes] = []
    for path in sorted(TRANSCRIPTS.glob("*.txt")):
        for line in path.read_text().splitlines():
            if said := _CLIENT.match(line):
                found.append(said[1].encode() + b"\r\n")
            elif (more := _LITERAL_LINE.match(line)) and found:
                found[-1] = _with_literal(found[-1], more[1].encode() + b"\r\n")
    return tuple(dict.fromkeys(found))


def _with_literal(command: bytes, line: bytes) -> bytes:
    """A line of the literal that `{+}` announces, or one more of it."""
    head, opening, _ = command.partition(b"{+}\r\n")
    if opening:
        return b"%b{%d+}\r\n%b\r\n" % (head, len(line), line)
    found = re.match(rb"(?s)(.*?)\{(\d+)\+\}\r\n(.*)\r\n\Z", command)
    assert found is not None
    return b"%b{%d+}\r\n%b%b\r\n" % (found[1], int(found[2]) + len(line), found[3], line)
