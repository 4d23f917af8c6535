"""APPEND (RFC 3501 section 6.3.11), of several messages (RFC 3502), with APPENDUID (RFC 4315 section 3)."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import TYPE_CHECKING

from psycopg import Connection

from accessd.imap import response
from accessd.imap.errors import TRY_CREATE
from accessd.imap.events import LiteralStarted
from accessd.imap.grammar.args_append import Append
from accessd.imap.response import Completion, Response
from accessd.imap.upload import Refused, Upload
from mailcore.errors import MailboxNotFound
from mailcore.identity import AccountRef
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.appending import AppendedUids, append_all
from mailcore.sharing import places
from mailcore.sharing.rights import INSERT
from mailcore.store.journal import Journal
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession


async def append(session: ImapSession, begun: LiteralStarted | Append) -> AsyncGenerator[Response, None]:
    """The mailbox and the quota are checked before the client sends a message, if it waits for that or if the message
    is large, and in any case when all is stored.
    """
    context = session.context
    upload = Upload(session, begun)
    try:
        await upload.receive()
        appended = await context.offload(_append, session.storage, session.reader, upload, context.journal)
    except Refused as refused:
        yield refused.completion
        return
    except MailboxNotFound:
        yield TRY_CREATE
        return
    finally:
        upload.discard()
    session.announce([appended.mailbox_id])
    if session.view is not None and session.view.record.id == appended.mailbox_id:
        session.look_now()
    yield Completion(code=b"APPENDUID " + response.uid_sets(appended.uidvalidity, appended.uids))


def _append(
    conn: Connection, storage: Storage, reader: AccountRef, upload: Upload, journal: Journal | None
) -> AppendedUids:
    place = places.resolve(conn, reader, upload.command.mailbox).require(INSERT)
    messages = upload.messages(place.rights)
    if len(messages) > 1:
        return append_all(conn, storage, place.owner, place.name, messages)
    [one] = messages
    found = mailboxes.append(conn, storage, place.owner, place.name, one.content, one.flags, one.internal_date, journal)
    return AppendedUids(found.uidvalidity, [found.uid], found.mailbox_id)
