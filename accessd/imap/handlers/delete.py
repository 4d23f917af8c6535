"""DELETE (RFC 3501 section 6.3.4)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.command import Delete
from accessd.imap.enabled import REV2
from accessd.imap.listed import list_deleted
from accessd.imap.response import Completion, Response
from accessd.imap.transitions import deselect
from mailcore.identity import AccountRef
from mailcore.mailbox.account import delete_mailbox, get_mailbox
from mailcore.sharing import places
from mailcore.sharing.rights import DELETE_MAILBOX
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def delete(session: ImapSession, command: Delete) -> AsyncGenerator[Response, None]:
    """A client that deletes the mailbox it has selected is left without one."""
    owner, deleted = await session.context.offload(_delete, session.storage, session.reader, command.mailbox)
    if session.view is not None and session.view.record.id == deleted:
        deselect(session)
    session.announce([deleted])
    session.announce_accounts(owner)
    if session.enabled & REV2:
        yield list_deleted(command.mailbox)
    yield Completion()


def _delete(conn: Connection, storage: Storage, reader: AccountRef, name: str) -> tuple[AccountRef, int]:
    place = places.resolve(conn, reader, name).require(DELETE_MAILBOX)
    mailbox_id = get_mailbox(conn, place.owner, place.name).id
    delete_mailbox(conn, storage, place.owner, place.name, leave_children=True)
    return place.owner, mailbox_id
