"""One mailbox: open, read, append, flags, expunge, copy, move.

Each function is one unit of work over a connection. What changes something takes the mailbox row's lock
first, changes the store inside the database transaction and before COMMIT: a crash leaves the store ahead of
the index, and the next open reconciles them. The caller publishes mailbox_changed after it returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg import Connection

from mailcore.identity import AccountRef
from mailcore.index.records import (
    AppendedUid,
    CachedRow,
    Changes,
    CopiedUids,
    FlagChange,
    FlagResult,
    FlagRow,
    Flags,
    MailboxRecord,
    MailboxStatus,
    OpenMailbox,
)
from mailcore.store.base import Content, StoredMessage
from mailcore.store.storage import Storage


def open_mailbox(
    conn: Connection, storage: Storage, account: AccountRef, name: str, *, read_only: bool = False
) -> OpenMailbox:
    """SELECT or EXAMINE: reconcile with the store, then say what is there. Only SELECT takes \\Recent away
    from others. Raises MailboxNotFound.
    """
    raise NotImplementedError


def refresh(conn: Connection, storage: Storage, account: AccountRef, mailbox: MailboxRecord) -> bool:
    """Adopt what other programs did to the store since the last look; True if there was anything. Two stat()
    calls when there was not, so NOOP, CHECK and IDLE may call it every few seconds.
    """
    raise NotImplementedError


def status(conn: Connection, mailbox_id: int) -> MailboxStatus:
    """STATUS, from the counters. Raises MailboxNotFound."""
    raise NotImplementedError


def rows(conn: Connection, mailbox_id: int, uids: Sequence[int] | None = None) -> list[FlagRow]:
    """The cheap columns in UID order; None means all messages. Missing UIDs are left out."""
    raise NotImplementedError


def cached_rows(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int] | None,
) -> list[CachedRow]:
    """Rows with ENVELOPE and BODYSTRUCTURE in UID order; reads and parses messages nobody has asked about
    before. A message whose file has vanished is left out.
    """
    raise NotImplementedError


def changes_since(conn: Connection, mailbox_id: int, modseq: int) -> Changes:
    """What happened after `modseq`. Costs as much as there are changes. Raises MailboxNotFound if it was
    deleted.
    """
    raise NotImplementedError


def open_message(
    conn: Connection, storage: Storage, account: AccountRef, mailbox: MailboxRecord, uid: int
) -> StoredMessage:
    """A message, open for reading. Raises MessageGone."""
    raise NotImplementedError


def append(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    name: str,
    content: Content,
    flags: Flags,
    internal_date: datetime | None,
) -> AppendedUid:
    """APPEND: durable when it returns. Raises MailboxNotFound, OverQuota."""
    raise NotImplementedError


def set_flags(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int],
    change: FlagChange,
    unchanged_since: int | None = None,
) -> FlagResult:
    """STORE: returns the rows of all messages addressed that still exist, except those spared by
    UNCHANGEDSINCE.
    """
    raise NotImplementedError


def expunge(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int] | None = None,
    *,
    only_deleted: bool = True,
) -> list[int]:
    """Remove messages for good: of `uids` (None: all) those with \\Deleted, or all of them. Returns their
    UIDs.
    """
    raise NotImplementedError


def copy(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int],
    target_name: str,
) -> CopiedUids:
    """COPY to a mailbox of the same account: all or nothing. Raises MailboxNotFound, OverQuota."""
    raise NotImplementedError


def move(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int],
    target_name: str,
) -> CopiedUids:
    """MOVE (RFC 6851): in one database transaction gone here and there in the target. Raises
    MailboxNotFound.
    """
    raise NotImplementedError
