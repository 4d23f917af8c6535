"""From the name a reader uses to the mailbox it means: whose it is, what the owner calls it, what the reader may do.

A reader's own mailboxes cost no query. Somebody with neither `l` nor `r` is answered as if there were no such mailbox
(RFC 4314 section 6). What the reader has already under a name like those of others stays what it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg

from mailcore.errors import MailboxNotFound, NotPermitted
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.sharing import names, rights, statements

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a name leads. `name` is the owner's name for it; nothing says that the mailbox exists."""

    owner: AccountRef
    name: str
    rights: str = rights.ALL

    def require(self, *needed: str) -> Place:
        """This place, if the reader has all these rights. Raises NotPermitted, or MailboxNotFound where the reader
        must not learn that there is a mailbox.
        """
        for right in needed:
            if right not in self.rights:
                raise self.refused(right)
        return self

    def require_one(self, needed: str) -> Place:
        """This place, if the reader has one of these rights at least. Raises as require."""
        if not set(needed) & set(self.rights):
            raise self.refused(needed)
        return self

    def refused(self, right: str) -> NotPermitted | MailboxNotFound:
        """What to raise for who lacks a right."""
        if rights.LOOKUP in self.rights or rights.READ in self.rights:
            return NotPermitted(f"{self.owner.address}/{self.name} needs {right}")
        return MailboxNotFound(self.name)


@dataclass(frozen=True, slots=True)
class SharedMailbox:
    """A mailbox of somebody else that a reader can see; the name of its record is the reader's, without special use."""

    record: MailboxRecord
    owner: AccountRef
    rights: str


def resolve(conn: Connection, reader: AccountRef, name: str) -> Place:
    """The place of a name of the reader's."""
    if not names.may_be_of_others(name):
        return Place(reader, name)
    asked = [(reader.address, names.as_kept(name)), *names.meanings(reader.address, name)]
    for found in _find(conn, reader, asked):
        if found.exists:
            return found.place(reader)
    return Place(reader, name)


def resolve_new(conn: Connection, reader: AccountRef, name: str) -> Place:
    """The place of a mailbox that is to be made: the rights are those in the nearest mailbox above it, of which `k` is
    needed. Raises NotPermitted without it, and for a name that only others can have.
    """
    name = name.rstrip("/") or name
    if not names.is_reserved(name):
        return Place(reader, name)
    meanings = names.meanings(reader.address, name)
    asked = [(reader.address, name.partition("/")[0])]
    asked += [(address, each) for address, theirs in meanings for each in names.above(theirs)]
    for found in _find(conn, reader, asked):
        if found.rank == 1 and found.exists:
            return Place(reader, name)
        if found.exists:
            theirs = next(theirs for address, theirs in meanings if address == found.owner.address)
            place = Place(found.owner, theirs, found.place(reader).rights)
            if rights.CREATE in place.rights:
                return place
            break
    raise NotPermitted(f"{name} is not in the reader's own name space")


def shared_with(conn: Connection, reader: AccountRef) -> list[SharedMailbox]:
    """Every mailbox of others that `reader` may see in LIST: one query."""
    asked = {"reader": reader.address, "reader_id": reader.id, "domain": names.domain_of(reader.address)}
    columns = len(MailboxRecord._fields)
    shared = []
    for row in conn.execute(statements.SHARED_WITH, asked):
        record, (address, store, quota_bytes, quota_messages, given, taken) = (
            MailboxRecord._make(row[:columns]),
            row[columns:],
        )
        granted = rights.ordered(set(given) - set(taken))
        if rights.LOOKUP in granted:
            owner = AccountRef(record.account_id, address, store, quota_bytes, quota_messages)
            name = names.name_for(reader.address, address, record.name)
            shared.append(SharedMailbox(record._replace(name=name, special_use=""), owner, granted))
    return shared


def rights_now(conn: Connection, reader: AccountRef, owner: AccountRef, mailbox_id: int) -> str:
    """What `reader` may do in a mailbox at this moment; the owner everything, without a query."""
    if reader.id == owner.id:
        return rights.ALL
    asked = {"mailbox_id": mailbox_id, "reader": reader.address, "domain": names.domain_of(reader.address)}
    return _sum(conn.execute(statements.RIGHTS_OF, asked).fetchall())


@dataclass(frozen=True, slots=True)
class _Found:
    rank: int
    name: str
    owner: AccountRef
    exists: bool
    granted: str

    def place(self, reader: AccountRef) -> Place:
        if self.owner.id == reader.id:
            return Place(reader, self.name)
        return Place(self.owner, self.name, self.granted)


def _find(conn: Connection, reader: AccountRef, asked: Sequence[tuple[str, str]]) -> list[_Found]:
    """What is known of each (address, name), without those whose address is no account."""
    wanted = {
        "addresses": [address for address, _ in asked],
        "names": [name for _, name in asked],
        "reader": reader.address,
        "domain": names.domain_of(reader.address),
    }
    rows = conn.execute(statements.PLACES, wanted).fetchall()
    return [_found(list(same)) for _, same in groupby(rows, key=lambda row: row[0])]


def _found(rows: Sequence[tuple[Any, ...]]) -> _Found:
    rank, name, *account, mailbox_id, _, _ = rows[0]
    granted = _sum((negative, letters) for *_, negative, letters in rows if letters is not None)
    return _Found(rank, name, AccountRef(*account), mailbox_id is not None, granted)


def _sum(entries: Iterable[tuple[bool, str]]) -> str:
    """What all identifiers give together, without what one of the negative ones takes (RFC 4314 section 2)."""
    given: set[str] = set()
    taken: set[str] = set()
    for negative, letters in entries:
        (taken if negative else given).update(letters)
    return rights.ordered(given - taken)
