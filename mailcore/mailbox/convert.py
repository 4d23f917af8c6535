"""Converting an account between Maildir and mbox, keeping UIDs, flags and dates.

The new store is filled beside the old one while all mailboxes of the account are locked: deliveries to it are
deferred, sessions wait or are told to come back. Then the rows get their new keys, the new store takes its name, the
old one is put aside (never removed: that is the administrator's to do), and the caller commits. A crash before that
leaves what the old store says; between the two renames, what the new one says, with new UIDs at worst.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from mailcore.errors import StoreUnavailable
from mailcore.identity import AccountRef
from mailcore.index import statements
from mailcore.index.index import Ledger, lock_mailboxes, message_rows
from mailcore.index.records import MessageRow
from mailcore.mailbox.account import list_mailboxes
from mailcore.mailbox.mailbox import reconcile
from mailcore.mailbox.rebuild import set_store_keys
from mailcore.store import files, layout
from mailcore.store.base import MessageStore, Placed, StoredMessage
from mailcore.store.maildir.store import MaildirStore
from mailcore.store.mbox.store import MboxStore
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]
# Larger messages go from store to store through a file.
_IN_MEMORY = 8 << 20


@dataclass(frozen=True, slots=True)
class Converted:
    """What was done: messages per mailbox, and where the old store is now."""

    messages: dict[str, int]
    mailbox_ids: list[int]
    old_store: Path


def convert(conn: Connection, storage: Storage, account: AccountRef, target: str) -> Converted | None:
    """Convert `account` to "maildir" or "mbox"; None if it is that already. Call it in a database transaction that
    also changes the account's row: everything is undone if that fails.
    """
    source = storage.format(account)
    if source == target:
        return None
    old = layout.store_folder(storage.root, account.address, source)
    new = layout.store_folder(storage.root, account.address, target)
    filling = new.with_name(f"{new.name}.converting")
    shutil.rmtree(filling, ignore_errors=True)
    conn.execute(statements.LOCK_ACCOUNT, {"account_id": account.id})
    ledgers = lock_mailboxes(conn, [record.id for record in list_mailboxes(conn, account)])
    store = storage.store(account)
    if not any(ledger.record.messages for ledger in ledgers):
        # An account that never got mail may have no folder yet.
        store.ensure_account()
    counts = _fill(conn, storage.home, store, _new_store(target, filling, storage.hostname), ledgers)
    conn.execute(statements.RECOUNT_USAGE, {"account_id": account.id})
    put_aside = old.with_name(f"{old.name}.before-{datetime.now(UTC):%Y%m%d-%H%M%S}")
    with files.disk_errors():
        os.sync()
        os.rename(filling, new)
        os.rename(old, put_aside)
        files.sync_directory(str(new.parent))
    return Converted(counts, [ledger.record.id for ledger in ledgers], put_aside)


def undo(storage: Storage, account: AccountRef, target: str, converted: Converted) -> None:
    """Put the old store back after `convert`, because COMMIT failed."""
    source = {"maildir": "mbox", "mbox": "maildir"}[target]
    new = layout.store_folder(storage.root, account.address, target)
    os.rename(converted.old_store, layout.store_folder(storage.root, account.address, source))
    shutil.rmtree(new)


def _new_store(format: str, folder: Path, hostname: str) -> MessageStore:
    if format == "mbox":
        return MboxStore(folder, durable=False)
    return MaildirStore(folder, hostname, durable=False)


def _fill(
    conn: Connection, home: Path, source: MessageStore, target: MessageStore, ledgers: list[Ledger]
) -> dict[str, int]:
    target.ensure_account()
    counts = {}
    for ledger in ledgers:
        name = ledger.record.name
        plan, _ = reconcile(conn, home, source, ledger)
        if plan.kept:
            raise StoreUnavailable(f"{name}: of {len(plan.kept)} messages only a journal knows where they are")
        rows = message_rows(conn, ledger.record.id)
        target.create_mailbox(name)
        placed = [(row, _copy(source, target, name, row)) for row in rows]
        set_store_keys(conn, ledger.record.id, [(row.uid, each.key, each.size) for row, each in placed])
        changed = [row.uid for row, each in placed if each.size != row.size]
        conn.execute(statements.FORGET_CACHE, {"mailbox_id": ledger.record.id, "uids": changed})
        conn.execute(statements.RECOUNT_MAILBOX, {"mailbox_id": ledger.record.id})
        counts[name] = len(target.scan(name).messages)
        if counts[name] != len(rows):
            raise StoreUnavailable(f"{name}: {len(rows)} messages became {counts[name]}")
    return counts


def _copy(source: MessageStore, target: MessageStore, name: str, row: MessageRow) -> Placed:
    with source.open(name, row.store_key, row.as_flags()) as message:
        if message.disk_size <= _IN_MEMORY:
            content = b"".join(message.disk_chunks())
            return target.append(name, content, row.as_flags(), row.internal_date)
        with _in_a_file(message) as path:
            return target.append(name, path, row.as_flags(), row.internal_date)


@contextmanager
def _in_a_file(message: StoredMessage) -> Iterator[Path]:
    with tempfile.NamedTemporaryFile() as temporary:
        for block in message.disk_chunks(1 << 20):
            temporary.write(block)
        temporary.flush()
        yield Path(temporary.name)
