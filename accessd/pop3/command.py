"""POP3 command lines -> values (RFC 1939 section 3, RFC 2449 section 4). Sans-IO.

A command is a keyword in any case and arguments separated by single spaces. Passwords may hold spaces, so the
text behind the keyword is kept as it was sent beside the arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_NUMBER_DIGITS = 10


@dataclass(frozen=True, slots=True)
class Command:
    """verb in upper case; text is all behind it, as sent."""

    verb: str
    text: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The text cut at spaces."""
        return tuple(self.text.split())


def parse_command(line: bytes) -> Command:
    """The command of one line without its line end. Never raises: nonsense becomes an unknown verb."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        text = line.decode("latin-1")
    verb, _, rest = text.partition(" ")
    return Command(verb.strip().upper(), rest)


def parse_number(text: str) -> int | None:
    """A non-negative decimal number, None when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER_DIGITS):
        return None
    return int(text)
