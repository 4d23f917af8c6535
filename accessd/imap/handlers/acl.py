"""GETACL, SETACL, DELETEACL, LISTRIGHTS and MYRIGHTS (RFC 4314 section 3).

Who may not see a mailbox is told that there is none (section 6). A change reaches sessions that have the mailbox
selected as a change of the mailbox does, and others as one of its account and of whom the entry names.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.acl_response import acl_line, list_rights_line, my_rights_line
from accessd.imap.grammar.sharing import DeleteAcl, GetAcl, ListRights, MyRights, SetAcl
from accessd.imap.response import Completion, Response
from mailcore.errors import OwnerNeedsNoEntry
from mailcore.identity import AccountRef
from mailcore.mailbox.account import get_mailbox
from mailcore.sharing import acl, places, rights
from mailcore.sharing.acl import Identifier
from mailcore.sharing.places import Place
from mailcore.sharing.rights import ADMIN

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

MAY_ASK_FOR_OWN = "lrikxa"
"""RFC 4314 section 4: one of these is enough for MYRIGHTS."""


async def get_acl(session: ImapSession, command: GetAcl) -> AsyncGenerator[Response, None]:
    """GETACL."""
    owner, entries = await session.context.offload(_entries, session.reader, command.mailbox)
    yield acl_line(command.mailbox, [(owner.address, rights.ALL), *entries], utf8=session.utf8)


def _entries(conn: Connection, reader: AccountRef, name: str) -> tuple[AccountRef, list[tuple[str, str]]]:
    place, mailbox_id = _administered(conn, reader, name)
    return place.owner, [(str(who), letters) for who, letters in acl.entries(conn, mailbox_id)]


async def set_acl(session: ImapSession, command: SetAcl) -> AsyncGenerator[Response, None]:
    """SETACL."""
    _spread(session, *await session.context.offload(_set, session.reader, command))
    yield Completion()


def _set(conn: Connection, reader: AccountRef, command: SetAcl) -> tuple[int, list[int]]:
    place, mailbox_id = _administered(conn, reader, command.mailbox)
    who = Identifier.parse(command.identifier)
    acl.change(conn, place.owner, mailbox_id, who, command.rights, command.change)
    return mailbox_id, acl.concerned(conn, place.owner, who)


async def delete_acl(session: ImapSession, command: DeleteAcl) -> AsyncGenerator[Response, None]:
    """DELETEACL: fine too if there is no such entry."""
    _spread(session, *await session.context.offload(_delete, session.reader, command))
    yield Completion()


def _delete(conn: Connection, reader: AccountRef, command: DeleteAcl) -> tuple[int, list[int]]:
    place, mailbox_id = _administered(conn, reader, command.mailbox)
    who = Identifier.parse(command.identifier)
    if who.name == place.owner.address:
        raise OwnerNeedsNoEntry(place.owner.address)
    acl.remove(conn, mailbox_id, who)
    return mailbox_id, acl.concerned(conn, place.owner, who)


async def list_rights(session: ImapSession, command: ListRights) -> AsyncGenerator[Response, None]:
    """LISTRIGHTS: the owner has all rights always, everybody else may be given each of them."""
    owner = await session.context.offload(_owner, session.reader, command.mailbox)
    is_owner = Identifier.parse(command.identifier) == Identifier(owner.address)
    yield list_rights_line(command.mailbox, command.identifier, is_owner=is_owner, utf8=session.utf8)


def _owner(conn: Connection, reader: AccountRef, name: str) -> AccountRef:
    return _administered(conn, reader, name)[0].owner


async def my_rights(session: ImapSession, command: MyRights) -> AsyncGenerator[Response, None]:
    """MYRIGHTS."""
    granted = await session.context.offload(_own, session.reader, command.mailbox)
    yield my_rights_line(command.mailbox, granted, utf8=session.utf8)


def _own(conn: Connection, reader: AccountRef, name: str) -> str:
    place = places.resolve(conn, reader, name).require_one(MAY_ASK_FOR_OWN)
    get_mailbox(conn, place.owner, place.name)
    return place.rights


def _administered(conn: Connection, reader: AccountRef, name: str) -> tuple[Place, int]:
    """A mailbox whose list the reader may see and change."""
    place = places.resolve(conn, reader, name).require(ADMIN)
    return place, get_mailbox(conn, place.owner, place.name).id


def _spread(session: ImapSession, mailbox_id: int, concerned: list[int]) -> None:
    session.announce([mailbox_id])
    session.context.hub.announce_accounts(concerned)
    if session.view is not None and session.view.record.id == mailbox_id:
        session.look_now()
