"""CREATE (RFC 3501 section 6.3.3), with a special use (RFC 6154 section 3) and MAILBOXID (RFC 8474 section 4.1)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.command import Create
from accessd.imap.enabled import REV2
from accessd.imap.listed import list_created
from accessd.imap.object_id import mailbox_id
from accessd.imap.response import Completion, Response
from mailcore.errors import NotPermitted
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.account import create_mailbox
from mailcore.sharing import places
from mailcore.sharing.rights import CREATE
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def create(session: ImapSession, command: Create) -> AsyncGenerator[Response, None]:
    """CREATE."""
    if len(command.special_use) > 1:
        yield Completion("NO", b"USEATTR", "One special use at most")
        return
    use = command.special_use[0] if command.special_use else ""
    owner, created = await session.context.offload(_create, session.storage, session.reader, command.mailbox, use)
    session.announce_accounts(owner)
    if session.enabled & REV2:
        yield await list_created(session, command.mailbox)
    yield Completion(code=b"MAILBOXID (%b)" % mailbox_id(created.id))


def _create(
    conn: Connection, storage: Storage, reader: AccountRef, name: str, use: str
) -> tuple[AccountRef, MailboxRecord]:
    place = places.resolve_new(conn, reader, name).require(CREATE)
    if use and place.owner.id != reader.id:
        raise NotPermitted("special uses are the owner's")
    return place.owner, create_mailbox(conn, storage, place.owner, place.name, use)
