"""SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2, CONDSTORE of RFC 7162 section 3.1.2)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.command import Select
from accessd.imap.enabled import CONDSTORE
from accessd.imap.response import Completion, Response
from accessd.imap.selected import View
from mailcore.identity import AccountRef
from mailcore.index.records import OpenMailbox
from mailcore.mailbox import mailbox as mailboxes
from mailcore.sharing import places
from mailcore.sharing.places import Place
from mailcore.sharing.rights import READ
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def select(session: ImapSession, command: Select) -> AsyncGenerator[Response, None]:
    """The mailbox selected before is left first, even if this one cannot be selected."""
    if session.view is not None:
        session.deselect()
        if session.condstore:
            yield response.ok("Previous mailbox is closed", b"CLOSED")
    if command.condstore:
        session.enable(CONDSTORE)
    place, opened = await session.context.offload(_open, session.storage, session.reader, command)
    view = View(opened, owner=place.owner, rights=place.rights, read_only=command.read_only)
    session.select(view)
    yield b"".join(_describe(view, opened.first_unseen_uid))
    yield Completion(code=b"READ-ONLY" if view.read_only else b"READ-WRITE")


def _open(conn: Connection, storage: Storage, reader: AccountRef, command: Select) -> tuple[Place, OpenMailbox]:
    place = places.resolve(conn, reader, command.mailbox).require(READ)
    return place, mailboxes.open_mailbox(conn, storage, place.owner, place.name, read_only=command.read_only)


def _describe(view: View, first_unseen_uid: int | None) -> list[bytes]:
    lines = [
        view.flags_line(),
        view.permanent_flags_line(),
        response.exists(len(view)),
        response.recent(view.recent),
        response.ok("UIDs valid", b"UIDVALIDITY %d" % view.record.uidvalidity),
        response.ok("Predicted next UID", b"UIDNEXT %d" % view.uidnext),
        response.ok("Highest", b"HIGHESTMODSEQ %d" % max(view.modseq, 1)),
    ]
    if first_unseen_uid is not None and view.has(first_unseen_uid):
        lines.append(response.ok("First unseen", b"UNSEEN %d" % view.sequence_number(first_unseen_uid)))
    return lines
