"""Arguments of SEARCH (RFC 3501 section 6.4.4, RFC 4731)."""

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import ArgumentsParser
from accessd.imap.grammar.search_key import read_search
from accessd.imap.grammar.search_return import read_returns
from accessd.imap.grammar.tokens import Scanner


def search(*, by_uid: bool) -> ArgumentsParser:
    """SEARCH [RETURN (options)] keys."""

    def read(scanner: Scanner) -> Command:
        returns = read_returns(scanner)
        scanner.space()
        return commands.Search(read_search(scanner), by_uid, returns)

    return read
