"""POP3 command lines -> values (RFC 1939 section 3, RFC 2449 section 4, RFC 6856 section 2.1). Sans-IO.

A command is a keyword in any case and arguments separated by single spaces. Passwords may hold spaces, so the text
behind the keyword is kept as it was sent beside the arguments.
"""

from __future__ import annotations

from dataclasses import dataclass

MAX_NUMBER_DIGITS = 10


class NotUtf8(Exception):
    """After UTF8 a line was no UTF-8."""


@dataclass(frozen=True, slots=True)
class Command:
    """verb in upper case; text is all behind it, as sent."""

    verb: str
    text: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """The text cut at spaces."""
        return tuple(self.text.split())


def parse_command(line: bytes, *, utf8: bool = False) -> Command:
    """The command of one line without its line end; nonsense becomes an unknown verb.

    Old clients send passwords in ISO 8859-1; with `utf8` (RFC 6856) that raises NotUtf8.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        if utf8:
            raise NotUtf8 from None
        text = line.decode("latin-1")
    verb, _, rest = text.partition(" ")
    return Command(verb.strip().upper(), rest)


def parse_number(text: str) -> int | None:
    """A non-negative decimal number, None when it is none."""
    if not (text.isascii() and text.isdigit() and len(text) <= MAX_NUMBER_DIGITS):
        return None
    return int(text)
