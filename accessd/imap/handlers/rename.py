"""RENAME (RFC 3501 section 6.3.5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.command import Rename
from accessd.imap.enabled import REV2
from accessd.imap.grammar.mailbox_name import INBOX
from accessd.imap.listed import list_renamed
from accessd.imap.response import Completion, Response
from mailcore.errors import MailboxNameInvalid
from mailcore.identity import AccountRef
from mailcore.mailbox.account import rename_mailbox
from mailcore.sharing import places
from mailcore.sharing.rights import CREATE, DELETE_MAILBOX
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def rename(session: ImapSession, command: Rename) -> AsyncGenerator[Response, None]:
    """INBOX stays and loses its messages to the new name; sessions that have it selected see them go."""
    owner, renamed = await session.context.offload(_rename, session.storage, session.reader, command.old, command.new)
    session.announce(renamed)
    session.announce_accounts(owner)
    if command.old == INBOX and session.view is not None and session.view.record.id in renamed:
        session.look_now()
    if session.enabled & REV2:
        yield await list_renamed(session, command.old, command.new)
    yield Completion()


def _rename(conn: Connection, storage: Storage, reader: AccountRef, old: str, new: str) -> tuple[AccountRef, list[int]]:
    place = places.resolve(conn, reader, old).require(DELETE_MAILBOX)
    target = places.resolve_new(conn, reader, new).require(CREATE)
    if target.owner.id != place.owner.id or (place.owner.id != reader.id and place.name == INBOX):
        raise MailboxNameInvalid("a mailbox stays with its owner, and his INBOX is his")
    return place.owner, rename_mailbox(conn, storage, place.owner, place.name, target.name)
