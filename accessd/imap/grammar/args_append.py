"""Arguments of the commands that carry messages: APPEND (RFC 3501 section 6.3.11) with MULTIAPPEND (RFC 3502), CATENATE
(RFC 4469), literal8 (RFC 3516) and UTF8 (RFC 6855 section 4); REPLACE (RFC 8508).

Messages may be large, so these commands are read as they come. The engine gives `Reading.read` the text up to the next
literal, again and again; it remembers how far it has understood the command, and `command` grows.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from accessd.imap.command import Command
from accessd.imap.grammar import command_args
from accessd.imap.grammar.date import read_date_time
from accessd.imap.grammar.flags import read_flag_list
from accessd.imap.grammar.sequence_set import SequenceSet, read_sequence_set
from accessd.imap.grammar.tokens import BadSyntax, LimitReached, Scanner
from mailcore.message.flags import NO_FLAGS, Flags

MOST_MESSAGES = 5000
MOST_PARTS = 5000
MOST_URLS = 100
"""For each a message is opened and perhaps read to its end: a line of them costs its sender nothing."""

_NUMBER = re.compile(rb"\*|[1-9]\d{0,9}(?!\d)")
_OPEN = re.compile(rb"(~?)\{(\d{1,20})\+?\}\Z")


_NOTHING = SequenceSet(())


class OpenLiteral(Exception):
    """The text ends with a literal that is a name or an URL: it is to be collected, then the text read again."""


@dataclass(frozen=True, slots=True)
class Text:
    """Octets that come as a literal; `binary` as a literal8, in which NUL is allowed."""

    size: int
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Url:
    """What an IMAP URL leads to (RFC 4469)."""

    url: bytes


@dataclass(slots=True)
class Draft:
    """One message on its way in. `parts` is one Text, or what CATENATE lists."""

    flags: Flags = NO_FLAGS
    internal_date: datetime | None = None
    parts: list[Text | Url] = field(default_factory=list)
    catenated: bool = False

    @property
    def size(self) -> int:
        """Octets that have been announced."""
        return sum(part.size for part in self.parts if isinstance(part, Text))


@dataclass(slots=True)
class Upload(Command):
    """A command that carries messages: what has been read of it."""

    mailbox: str = ""
    messages: list[Draft] = field(default_factory=list)


@dataclass(slots=True)
class Append(Upload):
    """APPEND."""


@dataclass(slots=True)
class Replace(Upload):
    """REPLACE, or UID REPLACE (RFC 8508): one message for another."""

    by_uid: bool = False
    replaced: SequenceSet = _NOTHING
    """The one message that goes."""


class Reading:
    """The arguments of one such command, as far as they have come. `most` messages may it have."""

    def __init__(self, command: Upload, most: int = MOST_MESSAGES) -> None:
        self.command = command
        self.position = 0
        """How far into the text it has been understood."""
        self._most = most
        self._parts = 0
        self._urls = 0
        self._step: Callable[[Scanner], Text | None] = self._mailbox

    def read(self, scanner: Scanner) -> Text | None:
        """Read on from where the scanner stands: up to the literal with which the text ends, or None when the command
        is complete. Raises BadSyntax, OpenLiteral.
        """
        while True:
            if scanner.at_end() and self._step == self._message and self.command.messages:
                return None
            found = self._step(scanner)
            self.position = scanner.position
            if found is not None:
                return found

    def _mailbox(self, scanner: Scanner) -> None:
        _require_whole(scanner)
        self.command.mailbox = command_args.mailbox(scanner)
        self._step = self._message

    def _message(self, scanner: Scanner) -> Text | None:
        """append-message, up to its first part."""
        scanner.space()
        if len(self.command.messages) >= self._most:
            raise BadSyntax("One message only") if self._most == 1 else LimitReached("Too many messages")
        draft = Draft()
        if scanner.next_is(b"("):
            draft.flags = read_flag_list(scanner)
            scanner.space()
        if scanner.next_is(b'"'):
            draft.internal_date = read_date_time(scanner)
            scanner.space()
        self.command.messages.append(draft)
        if _take_word(scanner, b"CATENATE ("):
            draft.catenated, self._step = True, self._part
            return None
        return self._text(scanner, draft)

    def _text(self, scanner: Scanner, draft: Draft) -> Text:
        """literal, literal8 or "UTF8" SP "(" literal8 ")", up to the octets."""
        is_utf8 = _take_word(scanner, b"UTF8 (")
        found = scanner.match(_OPEN, "a literal")
        text = Text(int(found.group(2)), bool(found.group(1)))
        if is_utf8:
            if not text.binary:
                raise BadSyntax("Expected a literal8")
            self._step = self._end_of_utf8
        else:
            self._step = self._after_part if draft.catenated else self._message
        self._count_part()
        draft.parts.append(text)
        return text

    def _end_of_utf8(self, scanner: Scanner) -> None:
        scanner.expect(b")")
        self._step = self._after_part if self.command.messages[-1].catenated else self._message

    def _part(self, scanner: Scanner) -> Text | None:
        """cat-part."""
        draft = self.command.messages[-1]
        if _take_word(scanner, b"TEXT "):
            return self._text(scanner, draft)
        if scanner.data[scanner.position : scanner.position + 5].upper() == b"UTF8 ":
            return self._text(scanner, draft)
        if not _take_word(scanner, b"URL "):
            raise BadSyntax("Expected TEXT or URL")
        if _OPEN.match(scanner.data, scanner.position):
            raise OpenLiteral
        self._count_part()
        self._urls += 1
        if self._urls > MOST_URLS:
            raise LimitReached("Too many URLs")
        draft.parts.append(Url(scanner.astring()))
        self._step = self._after_part
        return None

    def _after_part(self, scanner: Scanner) -> None:
        if scanner.take(b")"):
            self._step = self._message
        else:
            scanner.space()
            self._step = self._part

    def _count_part(self) -> None:
        self._parts += 1
        if self._parts > MOST_PARTS:
            raise LimitReached("Too many parts")


class UploadParser:
    """The parser of such a command. Called with a whole text, which then has no message as a literal, it returns the
    command; `begin` is for one that goes on.
    """

    def __init__(self, begin: Callable[[], Reading]) -> None:
        self.begin = begin

    def __call__(self, scanner: Scanner) -> Command:
        reading = self.begin()
        try:
            if reading.read(scanner) is None:
                return reading.command
        except OpenLiteral:
            pass
        raise BadSyntax("Incomplete literal")


def _take_word(scanner: Scanner, word: bytes) -> bool:
    end = scanner.position + len(word)
    if scanner.data[scanner.position : end].upper() != word:
        return False
    scanner.position = end
    return True


def _require_whole(scanner: Scanner) -> None:
    """The name behind the space is all there."""
    if _OPEN.match(scanner.data, scanner.position + 1):
        raise OpenLiteral


class _ReadingReplace(Reading):
    """REPLACE number mailbox, and one message."""

    def __init__(self, command: Replace) -> None:
        super().__init__(command, most=1)
        self._replace = command
        self._step = self._number

    def _number(self, scanner: Scanner) -> None:
        scanner.space()
        number = scanner.match(_NUMBER, "a message number").group()
        self._replace.replaced = read_sequence_set(Scanner(number))
        self._step = self._mailbox


append = UploadParser(lambda: Reading(Append()))
replace = UploadParser(lambda: _ReadingReplace(Replace()))
uid_replace = UploadParser(lambda: _ReadingReplace(Replace(by_uid=True)))
