"""REPLACE and UID REPLACE (RFC 8508)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.errors import TRY_CREATE
from accessd.imap.events import LiteralStarted
from accessd.imap.grammar.args_append import Replace
from accessd.imap.news import news
from accessd.imap.response import Completion, Response
from accessd.imap.selected import View
from accessd.imap.upload import Refused, Upload
from mailcore.errors import MailboxNotFound
from mailcore.identity import AccountRef
from mailcore.mailbox.appending import AppendedUids
from mailcore.mailbox.replacing import Target
from mailcore.mailbox.replacing import replace as replace_message
from mailcore.sharing import places
from mailcore.sharing.rights import DELETE_MESSAGE, EXPUNGE, INSERT
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def replace(session: ImapSession, begun: LiteralStarted | Replace) -> AsyncGenerator[Response, None]:
    """What would be refused in the end is refused before the message comes. The new message is told with EXISTS before
    the EXPUNGE of the old one (section 3.4).
    """
    view = session.selected
    upload = Upload(session, begun)
    try:
        uid = _replaced(view, upload)
        await upload.receive()
        done = await session.context.offload(_replace, session.storage, session.reader, view, uid, upload)
    except Refused as refused:
        yield refused.completion
        return
    except MailboxNotFound:
        yield TRY_CREATE
        return
    finally:
        upload.discard()
    yield response.ok("Replacement", b"APPENDUID " + response.uid_sets(done.uidvalidity, done.uids))
    session.announce({done.mailbox_id, view.record.id})
    yield b"".join(await news(session, expunge=False))
    yield Completion()


def _replaced(view: View, upload: Upload) -> int:
    """The UID of the message that goes. Raises Refused, NotPermitted, BadSyntax."""
    command = upload.command
    assert isinstance(command, Replace)
    try:
        if view.read_only:
            raise Refused(Completion("NO", text="Mailbox is read-only"))
        view.require(DELETE_MESSAGE, EXPUNGE)
        uids = view.select(command.replaced, by_uid=command.by_uid)
        if not uids:
            raise Refused(Completion("NO", text="No such message"))
    except Exception:
        upload.refuse()
        raise
    return uids[0]


def _replace(
    conn: Connection, storage: Storage, reader: AccountRef, view: View, uid: int, upload: Upload
) -> AppendedUids:
    place = places.resolve(conn, reader, upload.command.mailbox).require(INSERT)
    [message] = upload.messages(place.rights)
    target = Target(place.owner, place.name)
    return replace_message(conn, storage, view.owner, view.record, uid, target, message)
