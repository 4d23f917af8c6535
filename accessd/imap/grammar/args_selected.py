"""Arguments of SELECT and of the commands about messages (RFC 3501 sections 6.3.1 and 6.4, RFC 7162)."""

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import ArgumentsParser, mailbox
from accessd.imap.grammar.fetch_att import read_fetch_items
from accessd.imap.grammar.flags import read_store_flags
from accessd.imap.grammar.sequence_set import read_sequence_set
from accessd.imap.grammar.tokens import MAX_UINT63, BadSyntax, Scanner
from mailcore.index.records import FlagMode

_STORE_MODES = {b"+": FlagMode.ADD, b"-": FlagMode.REMOVE}


def select(*, read_only: bool) -> ArgumentsParser:
    """SELECT or EXAMINE mailbox [(CONDSTORE)]."""

    def read(scanner: Scanner) -> Command:
        name = mailbox(scanner)
        parameters: list[str] = []
        if scanner.take(b" "):
            parameters = scanner.parenthesised(Scanner.keyword)
        if set(parameters) - {"CONDSTORE"}:
            raise BadSyntax("Unknown SELECT parameter")
        return commands.Select(name, read_only, condstore="CONDSTORE" in parameters)

    return read


def uid_expunge(scanner: Scanner) -> Command:
    """UID EXPUNGE set."""
    scanner.space()
    return commands.Expunge(read_sequence_set(scanner))


def fetch(*, by_uid: bool) -> ArgumentsParser:
    """FETCH set items [(CHANGEDSINCE n)]."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        sequence_set = read_sequence_set(scanner)
        scanner.space()
        items = read_fetch_items(scanner)
        changed_since = None
        if scanner.take(b" "):
            changed_since = _modifier(scanner, "CHANGEDSINCE")
        return commands.Fetch(sequence_set, items, by_uid, changed_since)

    return read


def _modifier(scanner: Scanner, name: str) -> int:
    scanner.expect(b"(")
    if scanner.keyword() != name:
        raise BadSyntax("Unknown modifier")
    scanner.space()
    value = scanner.number(MAX_UINT63)
    scanner.expect(b")")
    return value


def store(*, by_uid: bool) -> ArgumentsParser:
    """STORE set [(UNCHANGEDSINCE n)] [+-]FLAGS[.SILENT] flags."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        sequence_set = read_sequence_set(scanner)
        scanner.space()
        unchanged_since = None
        if scanner.next_is(b"("):
            unchanged_since = _modifier(scanner, "UNCHANGEDSINCE")
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
        return commands.Store(sequence_set, mode, flags, by_uid, name == "FLAGS.SILENT", unchanged_since)

    return read


def copy(*, by_uid: bool, move: bool) -> ArgumentsParser:
    """COPY or MOVE set mailbox."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        sequence_set = read_sequence_set(scanner)
        return commands.Copy(sequence_set, mailbox(scanner), by_uid, move)

    return read
