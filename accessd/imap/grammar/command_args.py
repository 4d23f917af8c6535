"""What the arguments of all commands share, and those of the commands that need no mailbox. One function per command;
the table is accessd.imap.commands, the families are in args_*.py beside this.

A parser starts at the space before the first argument, if there is one. What must not follow is the
engine's business.
"""

import binascii
import re
from collections.abc import Callable

from accessd.imap import command as commands
from accessd.imap.command import Command
from accessd.imap.grammar.mailbox_name import read_mailbox
from accessd.imap.grammar.tokens import BadSyntax, Scanner

ArgumentsParser = Callable[[Scanner], Command]

_BASE64 = re.compile(rb"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")


def no_arguments(command: Command) -> ArgumentsParser:
    """For commands that are only a name."""
    return lambda _scanner: command


def until_rev2(parser: ArgumentsParser) -> ArgumentsParser:
    """For commands that are not in the grammar of IMAP4rev2 any more (RFC 9051 appendix E)."""

    def read(scanner: Scanner) -> Command:
        if scanner.rev2:
            raise BadSyntax("Not a command of IMAP4rev2")
        return parser(scanner)

    return read


def text(value: bytes) -> str:
    """A string of UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        raise BadSyntax("Text is not UTF-8") from None


def login(scanner: Scanner) -> Command:
    """LOGIN user password."""
    scanner.space()
    user = _any_text(scanner)
    scanner.space()
    return commands.Login(user, _any_text(scanner))


def _any_text(scanner: Scanner) -> str:
    """As `text`, but a literal may have any octets (RFC 3501 section 4.3): passwords of some clients are Latin-1."""
    is_literal = scanner.next_is(b"{")
    value = scanner.astring()
    try:
        return text(value)
    except BadSyntax:
        if is_literal:
            return value.decode("latin-1")
        raise


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
    # binascii takes "=" after whole groups.
    if not _BASE64.fullmatch(encoded):
        raise BadSyntax("Invalid base64")
    try:
        return binascii.a2b_base64(encoded, strict_mode=True)
    except binascii.Error:
        raise BadSyntax("Invalid base64") from None


# RFC 2971 section 3.3.
MOST_ID_FIELDS = 30
MAX_ID_NAME_BYTES = 30
MAX_ID_VALUE_BYTES = 1024


def identify(scanner: Scanner) -> Command:
    """ID NIL, or ID with a list of names and values."""
    scanner.space()
    if not scanner.next_is(b"("):
        if scanner.nstring() is not None:
            raise BadSyntax("Expected a list or NIL")
        return commands.Identify()
    pairs = scanner.parenthesised(_id_pair, empty=True)
    if len(pairs) > MOST_ID_FIELDS:
        raise BadSyntax("More than 30 fields")
    return commands.Identify({name: value for name, value in pairs if value is not None})


def _id_pair(scanner: Scanner) -> tuple[str, str | None]:
    name = scanner.string()
    scanner.space()
    value = scanner.nstring()
    if len(name) > MAX_ID_NAME_BYTES or len(value or b"") > MAX_ID_VALUE_BYTES:
        raise BadSyntax("Field too long")
    return name.decode("utf-8", "replace"), None if value is None else value.decode("utf-8", "replace")


def compress(scanner: Scanner) -> Command:
    """COMPRESS DEFLATE."""
    scanner.space()
    if scanner.keyword() != "DEFLATE":
        raise BadSyntax("Unknown compression algorithm")
    return commands.Compress()


def enable(scanner: Scanner) -> Command:
    """ENABLE capability ..."""
    names: list[str] = []
    while not scanner.at_end() or not names:
        scanner.space()
        names.append(scanner.keyword())
    return commands.Enable(tuple(names))


def mailbox(scanner: Scanner) -> str:
    """A mailbox name and the space before it."""
    scanner.space()
    return read_mailbox(scanner)
