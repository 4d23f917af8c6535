"""Arguments of SEARCH (RFC 3501 section 6.4.4, RFC 4731)."""

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import ArgumentsParser
from accessd.imap.grammar.search_key import read_search
from accessd.imap.grammar.tokens import BadSyntax, Scanner

_SEARCH_RETURNS = frozenset({"MIN", "MAX", "ALL", "COUNT"})


def search(*, by_uid: bool) -> ArgumentsParser:
    """SEARCH [RETURN (options)] keys."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        returns: frozenset[str] | None = None
        if scanner.data[scanner.position : scanner.position + 8].upper() == b"RETURN (":
            scanner.position += 7
            returns = frozenset(scanner.parenthesised(Scanner.keyword, empty=True)) or frozenset({"ALL"})
            if returns - _SEARCH_RETURNS:
                raise BadSyntax("Unknown RETURN option")
            scanner.space()
        return commands.Search(read_search(scanner), by_uid, returns)

    return read
