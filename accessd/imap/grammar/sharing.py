"""The commands of RFC 4314: GETACL, SETACL, DELETEACL, LISTRIGHTS and MYRIGHTS, as values, and their arguments."""

from dataclasses import dataclass

from accessd.imap.command import Command
from accessd.imap.grammar.command_args import mailbox, text
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.sharing import rights
from mailcore.sharing.acl import Change


@dataclass(frozen=True, slots=True)
class GetAcl(Command):
    """GETACL."""

    mailbox: str


@dataclass(frozen=True, slots=True)
class SetAcl(Command):
    """SETACL: `rights` are letters of mailcore.sharing.rights."""

    mailbox: str
    identifier: str
    rights: str
    change: Change = Change.REPLACE


@dataclass(frozen=True, slots=True)
class DeleteAcl(Command):
    """DELETEACL."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class ListRights(Command):
    """LISTRIGHTS."""

    mailbox: str
    identifier: str


@dataclass(frozen=True, slots=True)
class MyRights(Command):
    """MYRIGHTS."""

    mailbox: str


def get_acl(scanner: Scanner) -> Command:
    """GETACL mailbox."""
    return GetAcl(mailbox(scanner))


def set_acl(scanner: Scanner) -> Command:
    """SETACL mailbox identifier [+-]rights; an unknown right is BAD (RFC 4314 section 3.1)."""
    name, identifier = mailbox(scanner), _identifier(scanner)
    scanner.space()
    letters = text(scanner.astring())
    change = Change(letters[:1]) if letters[:1] in ("+", "-") else Change.REPLACE
    known = rights.read(letters[len(change.value) :])
    if known is None:
        raise BadSyntax("Unknown right")
    return SetAcl(name, identifier, known, change)


def delete_acl(scanner: Scanner) -> Command:
    """DELETEACL mailbox identifier."""
    return DeleteAcl(mailbox(scanner), _identifier(scanner))


def list_rights(scanner: Scanner) -> Command:
    """LISTRIGHTS mailbox identifier."""
    return ListRights(mailbox(scanner), _identifier(scanner))


def my_rights(scanner: Scanner) -> Command:
    """MYRIGHTS mailbox."""
    return MyRights(mailbox(scanner))


def _identifier(scanner: Scanner) -> str:
    scanner.space()
    return text(scanner.astring())
