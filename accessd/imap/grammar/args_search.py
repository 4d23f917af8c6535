"""Arguments of SEARCH (RFC 3501 section 6.4.4, RFC 4731, RFC 6203)."""

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import ArgumentsParser
from accessd.imap.grammar.search_key import is_fuzzy, read_search
from accessd.imap.grammar.search_return import read_returns
from accessd.imap.grammar.tokens import BadSyntax, Scanner


def search(*, by_uid: bool) -> ArgumentsParser:
    """SEARCH [RETURN (options)] keys."""

    def read(scanner: Scanner) -> Command:
        returns = read_returns(scanner)
        scanner.space()
        key = read_search(scanner)
        if returns is not None and returns.tells_scores and not is_fuzzy(key):
            raise BadSyntax("RELEVANCY is of FUZZY searches")
        return commands.Search(key, by_uid, returns)

    return read
