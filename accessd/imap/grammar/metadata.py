"""GETMETADATA and SETMETADATA (RFC 5464 section 5) as values, and their arguments."""

import re
from dataclasses import dataclass

from accessd.imap.command import Command
from accessd.imap.grammar.command_args import mailbox, text
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.metadata.entries import INFINITY, Entry

_LITERAL8 = re.compile(rb"~\{(\d{1,10})\+?\}\r\n")
_DEPTHS = {"0": 0, "1": 1, "INFINITY": INFINITY}


@dataclass(frozen=True, slots=True)
class GetMetadata(Command):
    """GETMETADATA; the mailbox "" is the server."""

    mailbox: str
    entries: tuple[Entry, ...]
    max_size: int | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True)
class SetMetadata(Command):
    """SETMETADATA; None removes."""

    mailbox: str
    values: tuple[tuple[Entry, bytes | None], ...]


def get_metadata(scanner: Scanner) -> Command:
    """GETMETADATA [(options)] mailbox entries. The RFC's examples have the options behind the mailbox, its grammar
    before it: both are understood.
    """
    options: dict[str, int] = {}
    if scanner.next_is(b" ("):
        options = _read_options(scanner)
    name = mailbox(scanner)
    if scanner.next_is(b" (") and not options and scanner.data[scanner.position + 2 : scanner.position + 3] in b"MmDd":
        options = _read_options(scanner)
    scanner.space()
    entries = scanner.parenthesised(_entry) if scanner.next_is(b"(") else [_entry(scanner)]
    return GetMetadata(name, tuple(entries), options.get("MAXSIZE"), options.get("DEPTH", 0))


def _read_options(scanner: Scanner) -> dict[str, int]:
    scanner.space()
    return dict(scanner.parenthesised(_option))


def _option(scanner: Scanner) -> tuple[str, int]:
    name = scanner.keyword()
    scanner.space()
    if name == "MAXSIZE":
        return name, scanner.number()
    if name == "DEPTH" and (depth := _DEPTHS.get(scanner.keyword())) is not None:
        return name, depth
    raise BadSyntax("Unknown GETMETADATA option")


def set_metadata(scanner: Scanner) -> Command:
    """SETMETADATA mailbox (entry value ...)."""
    name = mailbox(scanner)
    scanner.space()
    values = scanner.parenthesised(_entry_value)
    if any(not entry.name for entry, _ in values):
        raise BadSyntax("Not a name of an annotation")
    if len({entry for entry, _ in values}) < len(values):
        raise BadSyntax("An annotation is named twice")
    return SetMetadata(name, tuple(values))


def _entry_value(scanner: Scanner) -> tuple[Entry, bytes | None]:
    entry = _entry(scanner)
    scanner.space()
    return entry, _literal8(scanner) if scanner.next_is(b"~{") else scanner.nstring()


def _literal8(scanner: Scanner) -> bytes:
    """literal8 of RFC 3516: any octets."""
    size = int(scanner.match(_LITERAL8, "a literal").group(1))
    value = scanner.data[scanner.position : scanner.position + size]
    scanner.position += size
    if len(value) < size:
        raise BadSyntax("Incomplete literal")
    return value


def _entry(scanner: Scanner) -> Entry:
    entry = Entry.parse(text(scanner.astring()))
    if entry is None:
        raise BadSyntax("Not a name of an annotation")
    return entry
