"""One mailbox: open, read, append, expunge, copy, move; flags are mailcore.mailbox.flagging.

Each function is one unit of work over a connection. What changes something takes the mailbox row's lock
first, changes the store inside the database transaction and before COMMIT: a crash leaves the store ahead of
the index, and the next open reconciles them. The caller publishes mailbox_changed after it returned.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg.pq import TransactionStatus

from mailcore.db.doubt import is_in_doubt
from mailcore.errors import MailboxNotFound, MessageGone, StoreUnavailable
from mailcore.identity import AccountRef
from mailcore.index import short, statements
from mailcore.index.index import (
    Ledger,
    NewMessage,
    deleted_rows,
    expunge_rows,
    flag_rows,
    insert_copies,
    insert_messages,
    lock_mailboxes,
    message_rows,
    uids_below,
    update_flags,
    write_ledgers,
)
from mailcore.index.records import (
    DELETED,
    AppendedUid,
    CachedRow,
    Changes,
    CopiedUids,
    FlagRow,
    Flags,
    MailboxRecord,
    MailboxStatus,
    MessageRow,
    OpenMailbox,
)
from mailcore.mailbox import cache, missing, quota
from mailcore.mailbox.account import get_mailbox, kept_name
from mailcore.mailbox.flagging import set_flags as set_flags
from mailcore.mailbox.reconcile import Plan, compare
from mailcore.message.flags import NO_FLAGS
from mailcore.message.wire import wire_size
from mailcore.store.base import Content, Kept, MessageStore, Placed, StoredMessage
from mailcore.store.journal import Journal
from mailcore.store.layout import INBOX
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]


def open_mailbox(
    conn: Connection, storage: Storage, account: AccountRef, name: str, *, read_only: bool = False
) -> OpenMailbox:
    """SELECT or EXAMINE: reconcile with the store, then say what is there. Only SELECT takes \\Recent away from
    others. Raises MailboxNotFound.
    """
    mailbox = get_mailbox(conn, account, name)
    adopted = refresh(conn, storage, account, mailbox, take_new=not read_only)
    record = _record(conn, mailbox.id)
    first_recent = record.first_recent_uid
    if not read_only and first_recent < record.uidnext:
        claimed = conn.execute(statements.CLAIM_RECENT, {"mailbox_id": record.id}).fetchone()
        first_recent = claimed[0] if claimed else first_recent
    # Messages that arrived since `record` was read are left for changes_since.
    uids, within = uids_below(conn, record.id, record.uidnext), {"mailbox_id": record.id}
    unseen = conn.execute(statements.FIRST_UNSEEN, within).fetchone() if record.unseen else None
    keywords = sorted(row[0] for row in conn.execute(statements.KEYWORDS, within))
    return OpenMailbox(record, uids, first_recent, unseen[0] if unseen else None, tuple(keywords), adopted)


def refresh(
    conn: Connection, storage: Storage, account: AccountRef, mailbox: MailboxRecord, *, take_new: bool = False
) -> bool:
    """Adopt what other programs did to the store since the last look; True if there was anything. Two stat() calls
    when there was not, so NOOP, CHECK and IDLE may call it every few seconds.
    """
    store = storage.store(account)
    if store.is_unchanged(mailbox.name, storage.agreed_state(mailbox.id)):
        return False
    with conn.transaction():
        [ledger] = lock_mailboxes(conn, [mailbox.id])
        plan, state = reconcile(conn, storage.home, storage.store(account), ledger, take_new=take_new)
    # Inside somebody's larger transaction it is not certain yet that the index will say the same.
    if conn.info.transaction_status == TransactionStatus.IDLE:
        storage.remember_agreed(mailbox.id, state)
    return bool(plan)


def glance(conn: Connection, storage: Storage, account: AccountRef, mailbox: MailboxRecord) -> bool:
    """As refresh, for who wants counters only: where deliveries are all that happened, and there are as many files as
    the index has messages, it does not compare them one by one.
    """
    agreed = storage.agreed_state(mailbox.id)
    if storage.store(account).only_gained(mailbox.name, agreed, mailbox.messages):
        return False
    return refresh(conn, storage, account, mailbox)


def status(conn: Connection, mailbox_id: int, *, count_deleted: bool = False) -> MailboxStatus:
    """STATUS, from the counters; what is deleted costs a look at every message and is 0 unless asked for. Raises
    MailboxNotFound.
    """
    row = conn.execute(statements.STATUS, {"mailbox_id": mailbox_id}).fetchone()
    if row is None:
        raise MailboxNotFound("the mailbox was deleted")
    deleted = deleted_size = 0
    if count_deleted:
        counted = conn.execute(statements.COUNT_DELETED, {"mailbox_id": mailbox_id}).fetchone()
        deleted, deleted_size = counted or (0, 0)
    messages, recent, unseen, uidnext, uidvalidity, highestmodseq, size = row
    counters = messages, recent, unseen, uidnext, uidvalidity, highestmodseq, size
    return MailboxStatus(*counters, deleted, mailbox_id, deleted_size)


def rows(conn: Connection, mailbox_id: int, uids: Sequence[int] | None = None) -> list[FlagRow]:
    """The cheap columns in UID order; None means all messages. Missing UIDs are left out."""
    return flag_rows(conn, mailbox_id, uids)


def cached_rows(
    conn: Connection, storage: Storage, account: AccountRef, mailbox: MailboxRecord, uids: Sequence[int] | None
) -> list[CachedRow]:
    """Rows with ENVELOPE and BODYSTRUCTURE in UID order; reads and parses messages nobody has asked about before. A
    message whose file has vanished is left out.
    """
    return cache.cached_rows(conn, storage.store(account), mailbox.id, uids)


def changes_since(conn: Connection, mailbox_id: int, modseq: int) -> Changes:
    """What happened after `modseq`. Costs as much as there are changes, or as there are messages if that is forgotten.
    Raises MailboxNotFound if it was deleted.
    """
    record = _record(conn, mailbox_id)
    if record.highestmodseq == modseq:
        return Changes(record.highestmodseq, record.uidnext, record=record)
    span = {"mailbox_id": mailbox_id, "since": modseq, "until": record.highestmodseq, "uidnext": record.uidnext}
    changed = conn.execute(statements.CHANGED_ROWS, span, binary=True).fetchall()
    found = conn.execute(statements.EXPUNGED_UIDS, span).fetchone()
    if found is None:
        raise MailboxNotFound("the mailbox was deleted")
    is_remembered, expunged = found
    news = Changes(record.highestmodseq, record.uidnext, list(map(FlagRow._make, changed)), expunged, record=record)
    if is_remembered:
        return news
    return replace(news, expunged=[], present=uids_below(conn, mailbox_id, record.uidnext))


def open_message(
    conn: Connection, storage: Storage, account: AccountRef, mailbox: MailboxRecord, uid: int
) -> StoredMessage:
    """A message, open for reading. Raises MessageGone."""
    row = conn.execute(statements.MESSAGE_AT, {"mailbox_id": mailbox.id, "uid": uid}).fetchone()
    if row is None:
        raise MessageGone(f"{mailbox.name}/{uid}")
    name, key, bits, keywords = row
    return storage.store(account).open(name, key, Flags(bits, frozenset(keywords)))


def append(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    name: str,
    content: Content,
    flags: Flags,
    internal_date: datetime | None,
    journal: Journal | None = None,
) -> AppendedUid:
    """APPEND: durable when it returns, by the journal if there is one. Raises MailboxNotFound, OverQuota."""
    now = datetime.now(UTC)
    at, saved_at = internal_date or now, now if internal_date is not None else None
    quota.check(conn, account, _size_hint(content))
    named = kept_name(conn, account, name)
    with undone(conn) as undo, short.append_script(conn) as script:
        mailbox, store = short.lock_named(script, account.id, named), storage.store(account)
        kept = Kept(journal, mailbox.id, mailbox.uid) if journal is not None else None

        def add_row(placed: Placed) -> None:
            undo.append(lambda: store.remove(mailbox.name, [(placed.key, flags)]))
            short.add_message(script, mailbox, NewMessage(placed.key, placed.size, at, flags, saved_at))

        store.append(mailbox.name, content, flags, at, kept, add_row)
        script.commit()
    return AppendedUid(mailbox.uidvalidity, mailbox.uid, mailbox.id)


def expunge(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int] | None = None,
    *,
    only_deleted: bool = True,
) -> list[int]:
    """Remove messages for good: of `uids` (None: all) those with \\Deleted, or all of them. Returns their UIDs."""
    with conn.transaction():
        [ledger] = lock_mailboxes(conn, [mailbox.id])
        if uids is None and only_deleted:
            gone = deleted_rows(conn, mailbox.id)
        else:
            gone = message_rows(conn, mailbox.id, uids)
            gone = [row for row in gone if row.flags & DELETED or not only_deleted]
        if gone:
            storage.store(account).remove(ledger.record.name, [(row.store_key, row.as_flags()) for row in gone])
            expunge_rows(conn, ledger, gone)
            write_ledgers(conn, [ledger])
    return [row.uid for row in gone]


def copy(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int],
    target_name: str,
) -> CopiedUids:
    """COPY to a mailbox of the same account: all or nothing. Raises MailboxNotFound, OverQuota."""
    target_id = get_mailbox(conn, account, target_name).id
    with undone(conn) as undo, conn.transaction():
        source, target = lock_two(conn, mailbox.id, target_id)
        store, name = storage.store(account), target.record.name
        found = message_rows(conn, mailbox.id, uids)
        quota.check(conn, account, sum(row.size for row in found), len(found))
        placed = store.copy(source.record.name, _stored_at(found), name)
        undo.append(lambda: store.remove(name, [(each.key, NO_FLAGS) for each in placed if each]))
        copied = _insert_placed(conn, source, target, found, placed)
        write_ledgers(conn, [target])
    return copied


def move(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int],
    target_name: str,
) -> CopiedUids:
    """MOVE (RFC 6851): in one database transaction gone here and there in the target. What has no file stays, for the
    next comparison to judge. Raises MailboxNotFound.
    """
    target_id = get_mailbox(conn, account, target_name).id
    with conn.transaction():
        source, target = lock_two(conn, mailbox.id, target_id)
        found = message_rows(conn, mailbox.id, uids)
        placed = storage.store(account).move(source.record.name, _stored_at(found), target.record.name)
        moved = _insert_placed(conn, source, target, found, placed)
        expunge_rows(conn, source, [row for row, there in zip(found, placed, strict=True) if there is not None])
        write_ledgers(conn, [source] if source is target else [source, target])
    return moved


def _record(conn: Connection, mailbox_id: int) -> MailboxRecord:
    row = conn.execute(statements.MAILBOX_BY_ID, {"mailbox_id": mailbox_id}).fetchone()
    if row is None:
        raise MailboxNotFound("the mailbox was deleted")
    return MailboxRecord._make(row)


def reconcile(
    conn: Connection,
    home: Path,
    store: MessageStore,
    ledger: Ledger,
    *,
    take_new: bool = False,
    may_be_missing: bool = False,
) -> tuple[Plan, tuple[int, ...]]:
    """Let the index of a locked mailbox learn what the store has; what is missing there may be in a journal below
    `home`. Returns what was done and the state of the store, () if it has to be looked at again.
    """
    name, known = ledger.record.name, message_rows(conn, ledger.record.id)
    if known and not may_be_missing and not store.is_present(INBOX):
        # A mail volume that is not mounted must not look like a user who deleted everything. A folder that is missing
        # beside INBOX was removed or renamed: by another program, or by us before a crash.
        raise StoreUnavailable(f"the account's folder is missing, and {name} in it")
    scan = store.scan(name, take_new=take_new)
    plan = compare(scan.messages, scan.nameable, known)
    if plan.drop:
        store.settle(name, [(row.store_key, row.as_flags()) for row in plan.drop])
        # Before the second look: what no journal holds any more is in the folder by then.
        journalled = missing.journalled(home, store, ledger.record, plan.drop)
        # A file that another program renamed while the folder was read may be missing in one list, not in two.
        again = store.scan(name)
        plan = compare({**scan.messages, **again.messages}, again.nameable, known, journalled)
    if plan:
        found = store.describe(name, plan.adopt)
        new = [(ledger, NewMessage(m.key, m.size, m.internal_date, scan.messages.get(m.key, Flags()))) for m in found]
        expunge_rows(conn, ledger, plan.drop)
        update_flags(conn, ledger, plan.flags)
        insert_messages(conn, new)
        write_ledgers(conn, [ledger])
    if take_new:
        store.tidy(name)
    return plan, () if plan.kept else scan.state


def lock_two(conn: Connection, source_id: int, target_id: int) -> tuple[Ledger, Ledger]:
    """Both ledgers; the same one if it is the same mailbox."""
    if source_id == target_id:
        [ledger] = lock_mailboxes(conn, [source_id])
        return ledger, ledger
    source, target = lock_mailboxes(conn, [source_id, target_id])
    return source, target


def _stored_at(found: Sequence[MessageRow]) -> list[tuple[str, Flags, datetime]]:
    return [(row.store_key, row.as_flags(), row.internal_date) for row in found]


def _insert_placed(
    conn: Connection, source: Ledger, target: Ledger, found: Sequence[MessageRow], placed: Sequence[Placed | None]
) -> CopiedUids:
    copies = [(row, p.key, p.size) for row, p in zip(found, placed, strict=True) if p is not None]
    uids = insert_copies(conn, source.record.id, target, copies)
    return CopiedUids(target.record.uidvalidity, [row.uid for row, _, _ in copies], uids)


@contextmanager
def undone(conn: Connection) -> Iterator[list[Callable[[], None]]]:
    """If the rows cannot be written, what the body has put on the list is called: the client will repeat the command.
    Not if the session ended: then nobody knows, and the next open sees what the truth is.
    """
    undo: list[Callable[[], None]] = []
    try:
        yield undo
    except BaseException as error:
        if not is_in_doubt(conn, error):
            for each in undo:
                each()
        raise


def _size_hint(content: Content) -> int:
    return os.stat(content).st_size if isinstance(content, Path) else wire_size(content)
