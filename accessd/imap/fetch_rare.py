"""FETCH items of columns that few clients ask for: EMAILID and THREADID (RFC 8474), SAVEDATE (RFC 8514), PREVIEW
(RFC 8970).
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection

from accessd.imap import response
from accessd.imap.fetch_fields import internal_date
from accessd.imap.grammar.fetch_att import Field
from accessd.imap.object_id import email_id
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.rare import RareRow, fill_previews, rare_rows
from mailcore.store.storage import Storage


def rare_fields(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    fields: Sequence[Field],
    uids: Sequence[int],
) -> dict[int, bytes]:
    """The text of these fields by UID. PREVIEW reads the messages nobody has read yet, PREVIEW (LAZY) does not."""
    rows = rare_rows(conn, mailbox.id, uids)
    if Field.PREVIEW in fields:
        missing = [row.uid for row in rows.values() if row.preview is None]
        filled = fill_previews(conn, storage.store(account), mailbox, missing) if missing else {}
        rows = {uid: row._replace(preview=filled.get(uid, row.preview)) for uid, row in rows.items()}
    return {uid: b" ".join(_field(field, mailbox.id, row) for field in fields) for uid, row in rows.items()}


def _field(field: Field, mailbox_id: int, row: RareRow) -> bytes:
    match field:
        case Field.EMAILID:
            return b"EMAILID (%b)" % email_id(row.origin(mailbox_id))
        case Field.THREADID:
            return b"THREADID NIL"
        case Field.SAVEDATE:
            return b"SAVEDATE %b" % internal_date(row.saved_at)
        case _:
            return b"PREVIEW %b" % response.nstring(None if row.preview is None else row.preview.encode())
