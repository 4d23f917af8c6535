"""Arguments of APPEND (RFC 3501 section 6.3.11)."""

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import mailbox
from accessd.imap.grammar.date import read_date_time
from accessd.imap.grammar.flags import read_flag_list
from accessd.imap.grammar.tokens import MAX_UINT63, Scanner
from mailcore.index.records import Flags


def append(scanner: Scanner) -> Command:
    """APPEND mailbox [flags] [date-time] and the announcement of a literal, with which the text ends."""
    name = mailbox(scanner)
    scanner.space()
    flags, internal_date = Flags(), None
    if scanner.next_is(b"("):
        flags = read_flag_list(scanner)
        scanner.space()
    if scanner.next_is(b'"'):
        internal_date = read_date_time(scanner)
        scanner.space()
    scanner.expect(b"{", "a literal")
    size = scanner.number(MAX_UINT63)
    scanner.take(b"+")
    scanner.expect(b"}")
    return commands.Append(name, size, flags, internal_date)
