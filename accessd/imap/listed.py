"""LIST responses that nobody asked for: of the mailbox that SELECT opens, and of one whose name the client spells
otherwise than it is kept (RFC 9051 sections 6.3.2 to 6.3.6 and 6.3.9.7). For sessions with IMAP4rev2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.grammar.mailbox_name import Respelt
from accessd.imap.mailbox_tree import attributes_of
from accessd.imap.response import mailbox_list
from mailcore.identity import AccountRef
from mailcore.mailbox.account import list_mailboxes
from mailcore.sharing import places

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def list_selected(session: ImapSession, name: str) -> bytes:
    """LIST of the mailbox being selected."""
    return await _list(session, name, _written(name))


async def list_created(session: ImapSession, name: str) -> bytes:
    """LIST of the mailbox that CREATE has made; nothing if it is called as the client said."""
    written = _written(name)
    return b"" if written is None else await _list(session, name.removesuffix("/"), written)


async def list_renamed(session: ImapSession, old: str, new: str) -> bytes:
    """LIST of the mailbox that has its name by RENAME; nothing if both names are as the client said."""
    if _written(old) is None and _written(new) is None:
        return b""
    return await _list(session, new.removesuffix("/"), _written(old) or old)


def list_deleted(name: str) -> bytes:
    """LIST of the name that DELETE has made free; nothing if it is as the client said."""
    written = _written(name)
    return b"" if written is None else mailbox_list(name, ["\\NonExistent"], utf8=True, old_name=written)


def _written(name: str) -> str | None:
    return name.written if isinstance(name, Respelt) else None


async def _list(session: ImapSession, name: str, old_name: str | None) -> bytes:
    attributes = await session.context.offload(_attributes, session.reader, name)
    return mailbox_list(name, attributes, utf8=True, old_name=old_name)


def _attributes(conn: Connection, reader: AccountRef, name: str) -> tuple[str, ...]:
    place = places.resolve(conn, reader, name)
    found = attributes_of(place.name, list_mailboxes(conn, place.owner))
    # Others' special uses are not the reader's.
    return found if place.owner.id == reader.id else found[:1]
