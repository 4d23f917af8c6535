"""The list of rights of a mailbox: read, changed, inherited (RFC 4314 sections 2 and 3).

An identifier is the address of an account, "anyone" or "authenticated"; one that begins with "-" takes rights away. The
owner has every right always and therefore no entry.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import psycopg

from mailcore.address import Address
from mailcore.errors import AclTooLong, AddressSyntaxError, IdentifierInvalid, OwnerNeedsNoEntry
from mailcore.identity import AccountRef
from mailcore.sharing import names, rights, statements

Connection = psycopg.Connection[Any]
EVERYBODY = ("anyone", "authenticated")
MOST_ENTRIES = 1000
"""Of one mailbox. LIST reads the entries of a reader, GETACL those of a mailbox."""
_FIRST_EVERYBODY = 1 << 62
"""No account has such an id."""


class Change(Enum):
    """What SETACL does with the rights it names."""

    REPLACE = ""
    ADD = "+"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class Identifier:
    """Whom an entry is about; `negative` ones lose the rights."""

    name: str
    negative: bool = False

    @classmethod
    def parse(cls, text: str) -> Identifier:
        """As clients write it. Raises IdentifierInvalid."""
        negative = text.startswith("-")
        name = text[negative:]
        if name.lower() in EVERYBODY:
            return cls(name.lower(), negative)
        try:
            return cls(Address.parse(name).key, negative)
        except AddressSyntaxError as error:
            raise IdentifierInvalid(str(error)) from None

    def __str__(self) -> str:
        return f"{'-' if self.negative else ''}{self.name}"


def entries(conn: Connection, mailbox_id: int) -> list[tuple[Identifier, str]]:
    """All entries of a mailbox, those that take away last."""
    rows = conn.execute(statements.LIST, {"mailbox_id": mailbox_id})
    return [(Identifier(name, negative), letters) for name, negative, letters in rows]


def change(
    conn: Connection, owner: AccountRef, mailbox_id: int, who: Identifier, letters: str, how: Change = Change.REPLACE
) -> str:
    """SETACL: returns the rights of the entry after it; one without rights is no entry. Raises IdentifierInvalid for
    who is no account here and for the owner, AclTooLong.
    """
    _check(conn, owner, who)
    entry = {"mailbox_id": mailbox_id, "identifier": who.name, "negative": who.negative}
    with conn.transaction():
        conn.execute(statements.LOCK_LIST, entry)
        row = conn.execute(statements.ENTRY, entry).fetchone()
        after = _changed(row[0] if row else "", letters, how)
        if not after:
            conn.execute(statements.REMOVE, entry)
            return after
        counted = conn.execute(statements.COUNT, entry).fetchone()
        if row is None and counted and counted[0] >= MOST_ENTRIES:
            raise AclTooLong(f"{owner.address}: {counted[0]} entries")
        conn.execute(statements.SET, {**entry, "rights": after})
    return after


def remove(conn: Connection, mailbox_id: int, who: Identifier) -> None:
    """DELETEACL: the entry goes, if there is one."""
    entry = {"mailbox_id": mailbox_id, "identifier": who.name, "negative": who.negative}
    conn.execute(statements.REMOVE, entry)


def account_of(conn: Connection, who: Identifier) -> AccountRef | None:
    """The account that an identifier names; None for everybody."""
    row = conn.execute(statements.ACCOUNT, {"address": who.name}).fetchone()
    return AccountRef(*row) if row else None


def concerned(conn: Connection, owner: AccountRef, who: Identifier) -> list[int]:
    """Whose lists of mailboxes look different when an entry about `who` changes, as ids for events.account_changed."""
    if who.name in EVERYBODY:
        return [owner.id, everybody_beside(owner)]
    named = account_of(conn, who)
    return [owner.id] if named is None else [owner.id, named.id]


def everybody_beside(account: AccountRef) -> int:
    """What stands for all accounts of the same domain where ids of accounts are expected. Two domains may have the same
    one, seldom: then some look for nothing.
    """
    return _FIRST_EVERYBODY + zlib.crc32(names.domain_of(account.address).encode())


def inherit(conn: Connection, account_id: int, parents: Mapping[str, str]) -> None:
    """Mailboxes that have just been made get the lists of those above them: {name: name above}."""
    if parents:
        conn.execute(
            statements.INHERIT,
            {"account_id": account_id, "names": list(parents), "parents": list(parents.values())},
        )


def _check(conn: Connection, owner: AccountRef, who: Identifier) -> None:
    if who.name == owner.address:
        raise OwnerNeedsNoEntry(owner.address)
    if who.name not in EVERYBODY and account_of(conn, who) is None:
        raise IdentifierInvalid(f"{who.name} is no account here")


def _changed(before: str, letters: str, how: Change) -> str:
    match how:
        case Change.REPLACE:
            return rights.ordered(letters)
        case Change.ADD:
            return rights.ordered(before + letters)
        case Change.REMOVE:
            return rights.ordered(set(before) - set(letters))
