"""Arguments of the commands about mailboxes: CREATE, DELETE, RENAME, SUBSCRIBE, LIST, LSUB, STATUS (RFC 3501
section 6.3, RFC 5258, RFC 5819, RFC 6154).
"""

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.command_args import ArgumentsParser, mailbox
from accessd.imap.grammar.flags import read_flag
from accessd.imap.grammar.mailbox_name import pattern_from_wire
from accessd.imap.grammar.tokens import BadSyntax, LimitReached, Scanner

MOST_PATTERNS = 500

_COUNTERS = ("MESSAGES", "RECENT", "UNSEEN", "SIZE", "DELETED", "DELETED-STORAGE")
STATUS_ITEMS = frozenset({*_COUNTERS, "UIDNEXT", "UIDVALIDITY", "HIGHESTMODSEQ", "APPENDLIMIT", "MAILBOXID"})
SPECIAL_USES = {
    name.upper(): name
    for name in ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Important", "\\Junk", "\\Sent", "\\Trash")
}
"""RFC 6154 section 2, RFC 8457 section 3."""
_LIST_SELECTION = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_LIST_RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE", "MYRIGHTS"})


def create(scanner: Scanner) -> Command:
    """CREATE mailbox [(USE (\\Sent))]."""
    name = mailbox(scanner)
    uses: list[str] = []
    if scanner.take(b" "):
        scanner.expect(b"(")
        if scanner.keyword() != "USE":
            raise BadSyntax("Unknown CREATE parameter")
        scanner.space()
        uses = scanner.parenthesised(_special_use, empty=True)
        scanner.expect(b")")
    return commands.Create(name, tuple(uses))


def _special_use(scanner: Scanner) -> str:
    name = SPECIAL_USES.get(read_flag(scanner).upper())
    if name is None:
        raise BadUse("Unknown special use")
    return name


class BadUse(BadSyntax):
    """A special use this server does not have: NO [USEATTR] (RFC 6154 section 3)."""

    status = "NO"
    code = b"USEATTR"


def delete(scanner: Scanner) -> Command:
    """DELETE mailbox."""
    return commands.Delete(mailbox(scanner))


def rename(scanner: Scanner) -> Command:
    """RENAME old new."""
    return commands.Rename(mailbox(scanner), mailbox(scanner))


def subscribe(*, subscribed: bool) -> ArgumentsParser:
    """SUBSCRIBE or UNSUBSCRIBE mailbox."""
    return lambda scanner: commands.Subscribe(mailbox(scanner), subscribed)


def list_(scanner: Scanner) -> Command:
    """LIST [(selection)] reference pattern-or-patterns [RETURN (options)]."""
    scanner.space()
    selection: frozenset[str] = frozenset()
    extended = scanner.next_is(b"(")
    if extended:
        selection = _options(scanner.parenthesised(Scanner.keyword, empty=True), _LIST_SELECTION)
        scanner.space()
    reference = pattern_from_wire(scanner, scanner.astring())
    scanner.space()
    if scanner.next_is(b"("):
        extended = True
        patterns = tuple(dict.fromkeys(scanner.parenthesised(_pattern)))
        if len(patterns) > MOST_PATTERNS:
            raise LimitReached("Too many patterns")
    else:
        patterns = (_pattern(scanner),)
    returns: list[str] = []
    status: list[str] = []
    if not scanner.at_end():
        scanner.space()
        extended = True
        _list_returns(scanner, returns, status)
    if extended:
        # Those have no meaning there (RFC 5258 section 3).
        patterns = tuple(filter(None, patterns))
    return commands.List(reference, patterns, selection, frozenset(returns), tuple(status), extended)


def _options(names: list[str], known: frozenset[str]) -> frozenset[str]:
    chosen = frozenset(names)
    if chosen - known:
        raise BadSyntax("Unknown LIST option")
    if "RECURSIVEMATCH" in chosen and chosen <= {"RECURSIVEMATCH", "REMOTE"}:
        raise BadSyntax("RECURSIVEMATCH needs another selection option")
    return chosen


def _pattern(scanner: Scanner) -> str:
    return pattern_from_wire(scanner, scanner.list_mailbox())


def _list_returns(scanner: Scanner, returns: list[str], status: list[str]) -> None:
    if scanner.keyword() != "RETURN":
        raise BadSyntax("Expected RETURN")
    scanner.space()

    def option(scanner: Scanner) -> None:
        name = scanner.keyword()
        if name == "STATUS":
            scanner.space()
            status.extend(scanner.parenthesised(status_item))
        elif name in _LIST_RETURNS:
            returns.append(name)
        else:
            raise BadSyntax("Unknown LIST option")

    scanner.parenthesised(option, empty=True)


def lsub(scanner: Scanner) -> Command:
    """LSUB reference pattern."""
    scanner.space()
    reference = pattern_from_wire(scanner, scanner.astring())
    scanner.space()
    return commands.Lsub(reference, _pattern(scanner))


def status(scanner: Scanner) -> Command:
    """STATUS mailbox (items)."""
    name = mailbox(scanner)
    scanner.space()
    return commands.Status(name, tuple(dict.fromkeys(scanner.parenthesised(status_item))))


def status_item(scanner: Scanner) -> str:
    """One item of STATUS."""
    name = scanner.keyword()
    if name not in STATUS_ITEMS or (name == "RECENT" and scanner.rev2):
        raise BadSyntax("Unknown STATUS item")
    return name
