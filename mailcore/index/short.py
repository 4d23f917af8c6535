"""What is done to one message of one mailbox, by scripts (mailcore.db.scripts): the flags of a STORE.

What mailcore.index.index does for one message, with the same lock and the same counters, for a connection that is in no
transaction: between `lock_message` and `commit_flags` the caller changes the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from mailcore.db.scripts import Row, Script, Statement
from mailcore.errors import MailboxInUse
from mailcore.index.records import MessageRow
from mailcore.message.flags import SEEN, Flags

Connection = psycopg.Connection[Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

# The message is locked too: so it is read as it is when the mailbox's lock is given, not as it was when the statement
# began. Without arrays, so that PostgreSQL keeps the plan.
_LOCK = Statement(
    "mailkeep_lock_message",
    "bigint, bigint",
    """
SELECT name, highestmodseq, uid, store_key, flags, array_to_string(keywords, ' '), message.size,
       (extract(epoch FROM internal_date) * 1000000)::bigint, modseq
FROM mailbox JOIN message ON message.mailbox_id = mailbox.id WHERE id = $1 AND uid = $2
FOR NO KEY UPDATE
""",
)
_SET_FLAGS = Statement(
    "mailkeep_set_flags",
    "bigint, bigint, bigint, smallint, text[], bigint",
    """
WITH changed AS (
    UPDATE message SET modseq = $3, flags = $4, keywords = $5 WHERE mailbox_id = $1 AND uid = $2
)
UPDATE mailbox SET highestmodseq = $3, unseen = unseen + $6 WHERE id = $1
""",
)


@dataclass(frozen=True, slots=True)
class LockedMessage:
    """A message of a locked mailbox; `mailbox` is its name now, `modseq` that of a change."""

    mailbox_id: int
    mailbox: str
    modseq: int
    row: MessageRow


def flags_script(conn: Connection) -> Script:
    """For a change of flags: COMMIT will not wait for the disk (ADR 18)."""
    return Script(conn, (_LOCK, _SET_FLAGS), flushed=False)


def lock_message(script: Script, mailbox_id: int, uid: int) -> LockedMessage | None:
    """Begin; None, and no lock, if there is no such message. Raises MailboxInUse."""
    try:
        found = script.begin(_LOCK, mailbox_id, uid)
    except psycopg.errors.LockNotAvailable:
        raise MailboxInUse("the mailbox is being converted or rebuilt") from None
    return _locked(mailbox_id, found) if found is not None else None


def flags_of(script: Script, message: LockedMessage, after: Flags) -> bytes:
    """For `commit`: the message has these flags, and the mailbox one change more."""
    row = message.row
    unseen = bool(row.flags & SEEN) - bool(after.bits & SEEN)
    keywords = sorted(after.keywords)
    return script.call(_SET_FLAGS, message.mailbox_id, row.uid, message.modseq, after.bits, keywords, unseen)


def _locked(mailbox_id: int, row: Row) -> LockedMessage:
    name, highestmodseq, uid, key, flags, keywords, size, micros, modseq = [value or b"" for value in row]
    at = _EPOCH + timedelta(microseconds=int(micros))
    message = MessageRow(int(uid), key.decode(), int(flags), keywords.decode().split(), int(size), at, int(modseq))
    return LockedMessage(mailbox_id, name.decode(), int(highestmodseq) + 1, message)
