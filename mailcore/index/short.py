"""What is done to one message of one mailbox, by scripts (mailcore.db.scripts): a STORE, an APPEND.

The same lock and the same counters as in mailcore.index.index, in half the waits. Between the lock, which begins the
script, and its COMMIT the caller changes the store.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg

from mailcore.db.scripts import Row, Script, Statement
from mailcore.errors import MailboxInUse, MailboxNotFound
from mailcore.index.index import NewMessage
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
_LOCK_NAMED = Statement(
    "mailkeep_lock_named",
    "bigint, text",
    """
SELECT id, name, uidvalidity, uidnext, highestmodseq FROM mailbox WHERE account_id = $1 AND name = $2
FOR NO KEY UPDATE
""",
)
_ADD_MESSAGE = Statement(
    "mailkeep_add_message",
    "bigint, bigint, bigint, text, bigint, timestamptz, smallint, text[], timestamptz, bigint, bigint",
    """
WITH new AS (
    INSERT INTO message (mailbox_id, uid, modseq, store_key, size, internal_date, flags, keywords, saved_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
), used AS (
    INSERT INTO account_usage AS usage (account_id, bytes, messages) VALUES ($11, $5, 1)
    ON CONFLICT (account_id) DO UPDATE SET bytes = usage.bytes + excluded.bytes, messages = usage.messages + 1
)
UPDATE mailbox SET uidnext = $2 + 1, highestmodseq = $3, messages = messages + 1, unseen = unseen + $10,
                   size = size + $5
WHERE id = $1
""",
)
_FLAGS = (_LOCK, _SET_FLAGS)
_APPEND = (_LOCK_NAMED, _ADD_MESSAGE)


@dataclass(frozen=True, slots=True)
class LockedMessage:
    """A message of a locked mailbox; `mailbox` is its name now, `modseq` that of a change."""

    mailbox_id: int
    mailbox: str
    modseq: int
    row: MessageRow


def flags_script(conn: Connection) -> Script:
    """For a change of flags: COMMIT will not wait for the disk (ADR 18)."""
    return Script(conn, _FLAGS, flushed=False)


def lock_message(script: Script, mailbox_id: int, uid: int) -> LockedMessage | None:
    """Begin; None, and no lock, if there is no such message. Raises MailboxInUse."""
    found = _begin(script, _LOCK, mailbox_id, uid)
    return _locked(mailbox_id, found) if found is not None else None


def flags_of(script: Script, message: LockedMessage, after: Flags) -> bytes:
    """For `commit`: the message has these flags, and the mailbox one change more."""
    row = message.row
    unseen = bool(row.flags & SEEN) - bool(after.bits & SEEN)
    keywords = sorted(after.keywords)
    return script.call(_SET_FLAGS, message.mailbox_id, row.uid, message.modseq, after.bits, keywords, unseen)


@dataclass(frozen=True, slots=True)
class LockedMailbox:
    """A locked mailbox; the next message gets `uid` and `modseq`."""

    id: int
    account_id: int
    name: str
    uidvalidity: int
    uid: int
    modseq: int


def append_script(conn: Connection) -> Script:
    """For one new message."""
    return Script(conn, _APPEND)


def lock_named(script: Script, account_id: int, name: str) -> LockedMailbox:
    """Begin. Raises MailboxNotFound, MailboxInUse."""
    found = _begin(script, _LOCK_NAMED, account_id, name)
    if found is None:
        raise MailboxNotFound(name)
    mailbox_id, kept, uidvalidity, uidnext, highestmodseq = [value or b"" for value in found]
    return LockedMailbox(
        int(mailbox_id), account_id, kept.decode(), int(uidvalidity), int(uidnext), int(highestmodseq) + 1
    )


def add_message(script: Script, mailbox: LockedMailbox, message: NewMessage) -> None:
    """Add its row, and count it. COMMIT says what became of that: the caller can wait for the disk meanwhile."""
    flags, keywords = message.flags.bits, sorted(message.flags.keywords)
    row = mailbox.id, mailbox.uid, mailbox.modseq, message.store_key, message.size, message.internal_date, flags
    unseen = int(not flags & SEEN)
    script.start(script.call(_ADD_MESSAGE, *row, keywords, message.saved_at, unseen, mailbox.account_id))


def _begin(script: Script, statement: Statement, *values: int | str) -> Row | None:
    try:
        return script.begin(statement, *values)
    except psycopg.errors.LockNotAvailable:
        raise MailboxInUse("the mailbox is being converted or rebuilt") from None


def _locked(mailbox_id: int, row: Row) -> LockedMessage:
    name, highestmodseq, uid, key, flags, keywords, size, micros, modseq = [value or b"" for value in row]
    at = _EPOCH + timedelta(microseconds=int(micros))
    message = MessageRow(int(uid), key.decode(), int(flags), keywords.decode().split(), int(size), at, int(modseq))
    return LockedMessage(mailbox_id, name.decode(), int(highestmodseq) + 1, message)
