"""DELETE (RFC 3501 section 6.3.4)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap.command import Delete
from accessd.imap.response import Completion, Response
from mailcore.identity import AccountRef
from mailcore.mailbox.account import delete_mailbox, get_mailbox
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def delete(session: ImapSession, command: Delete) -> AsyncGenerator[Response, None]:
    """A client that deletes the mailbox it has selected is left without one."""
    deleted = await session.context.offload(_delete, session.storage, session.owner, command.mailbox)
    if session.view is not None and session.view.record.id == deleted:
        session.deselect()
    session.announce([deleted])
    yield Completion()


def _delete(conn: Connection, storage: Storage, account: AccountRef, name: str) -> int:
    mailbox_id = get_mailbox(conn, account, name).id
    delete_mailbox(conn, storage, account, name)
    return mailbox_id
