"""Arguments of SELECT and of the commands about messages (RFC 3501 sections 6.3.1 and 6.4, RFC 7162)."""

from collections.abc import Callable, Mapping
from typing import Any

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import ArgumentsParser, mailbox
from accessd.imap.grammar.fetch_att import read_fetch_items
from accessd.imap.grammar.flags import read_store_flags
from accessd.imap.grammar.resync import read_known_state
from accessd.imap.grammar.search_return import read_partial_range
from accessd.imap.grammar.sequence_set import read_sequence_set
from accessd.imap.grammar.tokens import MAX_UINT63, BadSyntax, Scanner
from mailcore.index.records import FlagMode

_STORE_MODES = {b"+": FlagMode.ADD, b"-": FlagMode.REMOVE}


def select(*, read_only: bool) -> ArgumentsParser:
    """SELECT or EXAMINE mailbox [(CONDSTORE QRESYNC (...))]."""

    def read(scanner: Scanner) -> Command:
        name = mailbox(scanner)
        parameters = _parameters(scanner, SELECT_PARAMETERS) if scanner.take(b" ") else {}
        return commands.Select(name, read_only, **parameters)

    return read


def uid_expunge(scanner: Scanner) -> Command:
    """UID EXPUNGE set."""
    scanner.space()
    return commands.Expunge(read_sequence_set(scanner))


def fetch(*, by_uid: bool) -> ArgumentsParser:
    """FETCH set items [(CHANGEDSINCE n VANISHED PARTIAL m:n)]."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        sequence_set = read_sequence_set(scanner)
        scanner.space()
        items = read_fetch_items(scanner)
        modifiers = _parameters(scanner, FETCH_MODIFIERS) if scanner.take(b" ") else {}
        if modifiers.get("vanished") and not (by_uid and "changed_since" in modifiers):
            raise BadSyntax("VANISHED needs UID FETCH and CHANGEDSINCE")
        if "partial" in modifiers and not by_uid:
            raise BadSyntax("PARTIAL needs UID FETCH")
        return commands.Fetch(sequence_set, items, by_uid, **modifiers)

    return read


Parameter = tuple[str, Callable[[Scanner], Any]]
"""The field of the command that a parameter sets, and what reads its value."""


def _present(scanner: Scanner) -> bool:
    return True


def _modseq(scanner: Scanner) -> int:
    """mod-sequence-valzer (RFC 7162 section 7). CHANGEDSINCE has no zero in the ABNF, but clients that know nothing yet
    send it, and Dovecot takes it.
    """
    scanner.space()
    return scanner.number(MAX_UINT63)


def _partial(scanner: Scanner) -> object:
    scanner.space()
    return read_partial_range(scanner)


def _known(scanner: Scanner) -> object:
    scanner.space()
    return read_known_state(scanner)


SELECT_PARAMETERS: Mapping[str, Parameter] = {"CONDSTORE": ("condstore", _present), "QRESYNC": ("known", _known)}
FETCH_MODIFIERS: Mapping[str, Parameter] = {
    "CHANGEDSINCE": ("changed_since", _modseq),
    "VANISHED": ("vanished", _present),
    "PARTIAL": ("partial", _partial),
}
STORE_MODIFIERS: Mapping[str, Parameter] = {"UNCHANGEDSINCE": ("unchanged_since", _modseq)}


def _parameters(scanner: Scanner, known: Mapping[str, Parameter]) -> dict[str, Any]:
    """A list of parameters or modifiers (RFC 4466 sections 2.1 and 2.4), each at most once."""
    values: dict[str, Any] = {}

    def read(scanner: Scanner) -> None:
        name = scanner.keyword()
        if name not in known:
            raise BadSyntax(f"Unknown parameter {name}")
        field, read_value = known[name]
        if field in values:
            raise BadSyntax(f"{name} twice")
        values[field] = read_value(scanner)

    scanner.parenthesised(read)
    return values


def store(*, by_uid: bool) -> ArgumentsParser:
    """STORE set [(UNCHANGEDSINCE n)] [+-]FLAGS[.SILENT] flags."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        sequence_set = read_sequence_set(scanner)
        scanner.space()
        modifiers: dict[str, Any] = {}
        if scanner.next_is(b"("):
            modifiers = _parameters(scanner, STORE_MODIFIERS)
            scanner.space()
        sign = scanner.data[scanner.position : scanner.position + 1]
        mode = _STORE_MODES.get(sign, FlagMode.REPLACE)
        if sign in _STORE_MODES:
            scanner.position += 1
        name = scanner.keyword()
        if name not in ("FLAGS", "FLAGS.SILENT"):
            raise BadSyntax("Expected FLAGS or FLAGS.SILENT")
        scanner.space()
        flags = read_store_flags(scanner)
        return commands.Store(sequence_set, mode, flags, by_uid, name == "FLAGS.SILENT", **modifiers)

    return read


def copy(*, by_uid: bool, move: bool) -> ArgumentsParser:
    """COPY or MOVE set mailbox."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        sequence_set = read_sequence_set(scanner)
        return commands.Copy(sequence_set, mailbox(scanner), by_uid, move)

    return read
