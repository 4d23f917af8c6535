"""SELECT and EXAMINE (RFC 3501 sections 6.3.1 and 6.3.2; CONDSTORE and QRESYNC, RFC 7162 sections 3.1.2 and 3.2.5)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING, NamedTuple

from psycopg import Connection

from accessd.imap import response, transitions
from accessd.imap.command import Select
from accessd.imap.enabled import CONDSTORE, REV2
from accessd.imap.grammar.resync import KnownState
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.listed import list_selected
from accessd.imap.object_id import mailbox_id
from accessd.imap.response import Completion, Response
from accessd.imap.selected import View
from accessd.imap.vanished import resynchronised
from mailcore.identity import AccountRef
from mailcore.index.expunged import changed_since, expunged_since
from mailcore.index.records import FlagRow, MailboxRecord, OpenMailbox
from mailcore.mailbox import mailbox as mailboxes
from mailcore.sharing import places
from mailcore.sharing.places import Place
from mailcore.sharing.rights import READ
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def select(session: ImapSession, command: Select) -> AsyncGenerator[Response, None]:
    """The mailbox selected before is left first, even if this one cannot be selected."""
    if command.known is not None and not session.qresync:
        raise BadSyntax("QRESYNC is not enabled")
    if session.view is not None:
        transitions.deselect(session)
        yield response.ok("Previous mailbox is closed", b"CLOSED")
    if command.condstore:
        session.enable(CONDSTORE)
    place, opened, missed = await session.context.offload(_open, session.storage, session.reader, command)
    view = View(opened, owner=place.owner, rights=place.rights, read_only=command.read_only)
    transitions.select(session, view)
    if opened.adopted:
        session.announce([view.record.id])
    if session.enabled & REV2:
        view.hide_recent()
        yield await list_selected(session, command.mailbox)
    yield b"".join(_describe(view, opened.first_unseen_uid))
    if command.known is not None and missed is not None:
        yield resynchronised(view, command.known, missed.changed, missed.expunged)
    yield Completion(code=b"READ-ONLY" if view.read_only else b"READ-WRITE")


class Missed(NamedTuple):
    """What happened to a mailbox since the client was there last; `expunged` is None when nobody remembers it all."""

    changed: list[FlagRow]
    expunged: list[int] | None


def _open(
    conn: Connection, storage: Storage, reader: AccountRef, command: Select
) -> tuple[Place, OpenMailbox, Missed | None]:
    place = places.resolve(conn, reader, command.mailbox).require(READ)
    opened = mailboxes.open_mailbox(conn, storage, place.owner, place.name, read_only=command.read_only)
    return place, opened, _missed(conn, opened.record, command.known)


def _missed(conn: Connection, record: MailboxRecord, known: KnownState | None) -> Missed | None:
    """None if the client asks for nothing, or knows another mailbox of that name (RFC 7162 section 3.2.5)."""
    if known is None or known.uidvalidity != record.uidvalidity:
        return None
    if known.modseq > record.highestmodseq:
        # Nobody told it that: the index is an older one than it knew, and what it missed cannot be known.
        return Missed(changed_since(conn, record.id, 0, record.uidnext), None)
    expunged = expunged_since(conn, record.id, known.modseq)
    return Missed(changed_since(conn, record.id, known.modseq, record.uidnext), expunged)


def _describe(view: View, first_unseen_uid: int | None) -> list[bytes]:
    lines = [
        view.flags_line(),
        view.permanent_flags_line(),
        response.exists(len(view)),
        *view.recent_lines(),
        response.ok("UIDs valid", b"UIDVALIDITY %d" % view.record.uidvalidity),
        response.ok("Predicted next UID", b"UIDNEXT %d" % view.uidnext),
        response.ok("Highest", b"HIGHESTMODSEQ %d" % max(view.modseq, 1)),
        response.ok("Identity", b"MAILBOXID (%b)" % mailbox_id(view.record.id)),
    ]
    if first_unseen_uid is not None and not view.hides_recent and view.has(first_unseen_uid):
        lines.append(response.ok("First unseen", b"UNSEEN %d" % view.sequence_number(first_unseen_uid)))
    return lines
