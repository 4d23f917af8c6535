"""Rebuilding the index of an account from its store.

Messages whose key still matches keep their UIDs, flags come from the store, sizes are measured anew, counters are
counted anew. A mailbox gets a new UIDVALIDITY only if messages that we once wrote, and that clients may therefore
know by a UID, have lost their rows: their old UIDs could be given to others.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import psycopg

from mailcore.identity import AccountRef
from mailcore.index import statements
from mailcore.index.index import lock_mailboxes, message_rows
from mailcore.index.records import MailboxRecord, MessageRow
from mailcore.mailbox import indexing
from mailcore.mailbox.account import ensure_account, list_mailboxes
from mailcore.mailbox.mailbox import reconcile
from mailcore.store.base import MessageStore
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]
# What ids.new_maildir_name makes, and what the mbox store calls a message of its own.
_OURS = re.compile(r"\d+\.M\d+P\d+Q\d+R[0-9a-f]{6}\.|id:")


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What was done to one mailbox."""

    mailbox_id: int
    name: str
    messages: int
    adopted: int
    dropped: int
    flags: int
    sizes: int
    is_recounted: bool
    has_new_uidvalidity: bool

    def __str__(self) -> str:
        parts = [f"{self.messages} messages"]
        numbers = {"adopted": self.adopted, "dropped": self.dropped, "flags corrected": self.flags}
        parts += [f"{number} {what}" for what, number in (numbers | {"sizes corrected": self.sizes}).items() if number]
        parts += ["counters corrected"] if self.is_recounted else []
        parts += ["new UIDVALIDITY"] if self.has_new_uidvalidity else []
        return f"{self.name}: {', '.join(parts)}"


def rebuild_account(
    conn: Connection, storage: Storage, account: AccountRef, *, only: str | None = None, forget_cache: bool = False
) -> list[Rebuilt]:
    """Rebuild all mailboxes of an account, or the one called `only`; each in a database transaction of its own. A
    folder that is gone, while the account's INBOX is there, was removed by somebody. Raises StoreUnavailable.
    """
    ensure_account(conn, storage, account)
    wanted = [record for record in list_mailboxes(conn, account) if only in (None, record.name)]
    done = [_rebuild(conn, storage, account, record, forget_cache=forget_cache) for record in wanted]
    conn.execute(statements.RECOUNT_USAGE, {"account_id": account.id})
    return done


def _rebuild(
    conn: Connection, storage: Storage, account: AccountRef, mailbox: MailboxRecord, *, forget_cache: bool
) -> Rebuilt:
    with conn.transaction():
        [ledger] = lock_mailboxes(conn, [mailbox.id])
        store = storage.store(account)
        plan, _ = reconcile(conn, storage.home, store, ledger, may_be_missing=True)
        rows = message_rows(conn, mailbox.id)
        wrong = _correct_sizes(conn, store, ledger.record, rows)
        forgotten = [row.uid for row in rows] if forget_cache else wrong
        conn.execute(statements.FORGET_CACHE, {"mailbox_id": mailbox.id, "uids": forgotten})
        if forgotten:
            indexing.forget(conn, mailbox.id)
        recounted = conn.execute(statements.RECOUNT_MAILBOX, {"mailbox_id": mailbox.id}).rowcount
        lost = any(_OURS.match(key) for key in plan.adopt) and mailbox.uidnext > 1
        if lost:
            conn.execute(statements.RENEW_UIDVALIDITY, {"mailbox_id": mailbox.id})
    return Rebuilt(
        mailbox_id=mailbox.id,
        name=mailbox.name,
        messages=len(rows),
        adopted=len(plan.adopt),
        dropped=len(plan.drop),
        flags=len(plan.flags),
        sizes=len(wrong),
        is_recounted=bool(recounted) and not wrong,
        has_new_uidvalidity=lost,
    )


def _correct_sizes(conn: Connection, store: MessageStore, mailbox: MailboxRecord, rows: list[MessageRow]) -> list[int]:
    """Set sizes that differ from the store's; returns the UIDs."""
    true = {found.key: found.size for found in store.describe(mailbox.name, {row.store_key for row in rows})}
    wrong = [row for row in rows if true.get(row.store_key, row.size) != row.size]
    set_store_keys(conn, mailbox.id, [(row.uid, row.store_key, true[row.store_key]) for row in wrong])
    return [row.uid for row in wrong]


def set_store_keys(conn: Connection, mailbox_id: int, messages: list[tuple[int, str, int]]) -> None:
    """Write key and size of messages: (uid, key, size)."""
    columns = {
        "uids": [uid for uid, _, _ in messages],
        "store_keys": [key for _, key, _ in messages],
        "sizes": [size for _, _, size in messages],
    }
    conn.execute(statements.SET_STORE_KEYS, {"mailbox_id": mailbox_id, **columns})
