"""The arguments of each command, as command values. One function per command; the table is
accessd.imap.commands.

A parser starts at the space before the first argument, if there is one. What must not follow is the
engine's business.
"""

import binascii
from collections.abc import Callable

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.date import read_date_time
from accessd.imap.grammar.fetch_att import read_fetch_items
from accessd.imap.grammar.flags import read_flag, read_flag_list, read_store_flags
from accessd.imap.grammar.mailbox_name import canonical, decode, read_mailbox
from accessd.imap.grammar.search_key import read_search
from accessd.imap.grammar.sequence_set import read_sequence_set
from accessd.imap.grammar.tokens import MAX_UINT63, BadSyntax, Scanner
from mailcore.index.records import FlagMode, Flags

ArgumentsParser = Callable[[Scanner], Command]

STATUS_ITEMS = frozenset({"MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN", "HIGHESTMODSEQ", "SIZE", "DELETED"})
SPECIAL_USES = {
    name.upper(): name for name in ("\\All", "\\Archive", "\\Drafts", "\\Flagged", "\\Junk", "\\Sent", "\\Trash")
}
_LIST_SELECTION = frozenset({"SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"})
_LIST_RETURNS = frozenset({"SUBSCRIBED", "CHILDREN", "SPECIAL-USE"})
_SEARCH_RETURNS = frozenset({"MIN", "MAX", "ALL", "COUNT"})
_STORE_MODES = {b"+": FlagMode.ADD, b"-": FlagMode.REMOVE}


def no_arguments(command: Command) -> ArgumentsParser:
    """For commands that are only a name."""
    return lambda _scanner: command


def _text(value: bytes) -> str:
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("Text is not UTF-8") from None


def login(scanner: Scanner) -> Command:
    """LOGIN user password."""
    scanner.space()
    user = _text(scanner.astring())
    scanner.space()
    return commands.Login(user, _text(scanner.astring()))


def authenticate(scanner: Scanner) -> Command:
    """AUTHENTICATE mechanism [initial response]; `=` is an empty one (RFC 4959)."""
    scanner.space()
    mechanism = scanner.keyword()
    if scanner.at_end():
        return commands.Authenticate(mechanism)
    scanner.space()
    encoded = scanner.data[scanner.position :]
    scanner.position = len(scanner.data)
    return commands.Authenticate(mechanism, b"" if encoded == b"=" else decode_base64(encoded))


def decode_base64(encoded: bytes) -> bytes:
    """One SASL response."""
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("Invalid base64") from None


def identify(scanner: Scanner) -> Command:
    """ID NIL, or ID with a list of names and values."""
    scanner.space()
    if not scanner.next_is(b"("):
        if scanner.nstring() is not None:
            raise BadSyntax("Expected a list or NIL")
        return commands.Identify()
    pairs = scanner.parenthesised(_id_pair, empty=True)
    return commands.Identify({name: value for name, value in pairs if value is not None})


def _id_pair(scanner: Scanner) -> tuple[str, str | None]:
    name = scanner.string().decode("utf-8", "replace")
    scanner.space()
    value = scanner.nstring()
    return name, None if value is None else value.decode("utf-8", "replace")


def enable(scanner: Scanner) -> Command:
    """ENABLE capability ..."""
    names: list[str] = []
    while not scanner.at_end() or not names:
        scanner.space()
        names.append(scanner.keyword())
    return commands.Enable(tuple(names))


def select(*, read_only: bool) -> ArgumentsParser:
    """SELECT or EXAMINE mailbox [(CONDSTORE)]."""

    def read(scanner: Scanner) -> Command:
        mailbox = _mailbox(scanner)
        parameters: list[str] = []
        if scanner.take(b" "):
            parameters = scanner.parenthesised(Scanner.keyword)
        if set(parameters) - {"CONDSTORE"}:
            raise BadSyntax("Unknown SELECT parameter")
        return commands.Select(mailbox, read_only, condstore="CONDSTORE" in parameters)

    return read


def _mailbox(scanner: Scanner) -> str:
    scanner.space()
    return read_mailbox(scanner)


def create(scanner: Scanner) -> Command:
    """CREATE mailbox [(USE (\\Sent))]."""
    mailbox = _mailbox(scanner)
    uses: list[str] = []
    if scanner.take(b" "):
        scanner.expect(b"(")
        if scanner.keyword() != "USE":
            raise BadSyntax("Unknown CREATE parameter")
        scanner.space()
        uses = scanner.parenthesised(_special_use, empty=True)
        scanner.expect(b")")
    return commands.Create(mailbox, tuple(uses))


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
    return commands.Delete(_mailbox(scanner))


def rename(scanner: Scanner) -> Command:
    """RENAME old new."""
    return commands.Rename(_mailbox(scanner), _mailbox(scanner))


def subscribe(*, subscribed: bool) -> ArgumentsParser:
    """SUBSCRIBE or UNSUBSCRIBE mailbox."""
    return lambda scanner: commands.Subscribe(_mailbox(scanner), subscribed)


def list_(scanner: Scanner) -> Command:
    """LIST [(selection)] reference pattern-or-patterns [RETURN (options)]."""
    scanner.space()
    selection: frozenset[str] = frozenset()
    extended = scanner.next_is(b"(")
    if extended:
        selection = _options(scanner.parenthesised(Scanner.keyword, empty=True), _LIST_SELECTION)
        scanner.space()
    reference = canonical(decode(scanner.astring()))
    scanner.space()
    if scanner.next_is(b"("):
        extended = True
        patterns = tuple(scanner.parenthesised(_pattern))
    else:
        patterns = (_pattern(scanner),)
    returns: list[str] = []
    status: list[str] = []
    if not scanner.at_end():
        scanner.space()
        extended = True
        _list_returns(scanner, returns, status)
    return commands.List(reference, patterns, selection, frozenset(returns), tuple(status), extended)


def _options(names: list[str], known: frozenset[str]) -> frozenset[str]:
    chosen = frozenset(names)
    if chosen - known:
        raise BadSyntax("Unknown LIST option")
    if chosen and chosen <= {"RECURSIVEMATCH", "REMOTE"} and "RECURSIVEMATCH" in chosen:
        raise BadSyntax("RECURSIVEMATCH needs another selection option")
    return chosen


def _pattern(scanner: Scanner) -> str:
    return canonical(decode(scanner.list_mailbox()))


def _list_returns(scanner: Scanner, returns: list[str], status: list[str]) -> None:
    if scanner.keyword() != "RETURN":
        raise BadSyntax("Expected RETURN")
    scanner.space()

    def option(scanner: Scanner) -> None:
        name = scanner.keyword()
        if name == "STATUS":
            scanner.space()
            status.extend(scanner.parenthesised(_status_item))
        elif name in _LIST_RETURNS:
            returns.append(name)
        else:
            raise BadSyntax("Unknown LIST option")

    scanner.parenthesised(option, empty=True)


def lsub(scanner: Scanner) -> Command:
    """LSUB reference pattern."""
    scanner.space()
    reference = canonical(decode(scanner.astring()))
    scanner.space()
    return commands.Lsub(reference, _pattern(scanner))


def status(scanner: Scanner) -> Command:
    """STATUS mailbox (items)."""
    mailbox = _mailbox(scanner)
    scanner.space()
    return commands.Status(mailbox, tuple(dict.fromkeys(scanner.parenthesised(_status_item))))


def _status_item(scanner: Scanner) -> str:
    name = scanner.keyword()
    if name not in STATUS_ITEMS:
        raise BadSyntax("Unknown STATUS item")
    return name


def append(scanner: Scanner) -> Command:
    """APPEND mailbox [flags] [date-time] and the announcement of a literal, with which the text ends."""
    mailbox = _mailbox(scanner)
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
    return commands.Append(mailbox, size, flags, internal_date)


def uid_expunge(scanner: Scanner) -> Command:
    """UID EXPUNGE set."""
    scanner.space()
    return commands.Expunge(read_sequence_set(scanner))


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
        return commands.Copy(sequence_set, _mailbox(scanner), by_uid, move)

    return read


def get_quota(scanner: Scanner) -> Command:
    """GETQUOTA root."""
    scanner.space()
    return commands.GetQuota(_text(scanner.astring()))


def get_quota_root(scanner: Scanner) -> Command:
    """GETQUOTAROOT mailbox."""
    return commands.GetQuotaRoot(_mailbox(scanner))


def set_quota(scanner: Scanner) -> Command:
    """SETQUOTA root (resource limit ...)."""
    scanner.space()
    root = _text(scanner.astring())
    scanner.space()
    scanner.parenthesised(_resource_limit, empty=True)
    return commands.SetQuota(root)


def _resource_limit(scanner: Scanner) -> tuple[str, int]:
    name = scanner.keyword()
    scanner.space()
    return name, scanner.number(MAX_UINT63)
