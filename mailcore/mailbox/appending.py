"""Several messages at once: MULTIAPPEND (RFC 3502), all or nothing, whatever happens on the way.

One message by itself goes the shorter way of mailcore.mailbox.mailbox.append.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from mailcore.db.doubt import is_in_doubt
from mailcore.identity import AccountRef
from mailcore.index import statements
from mailcore.index.index import Ledger, NewMessage, insert_messages, lock_mailbox_named, write_ledgers
from mailcore.mailbox import quota
from mailcore.mailbox.account import kept_name
from mailcore.message.wire import wire_size
from mailcore.store.base import Content, Placed
from mailcore.store.exchange import Exchange, Incoming
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class AppendedUids:
    """APPENDUID (RFC 4315, RFC 3502), and which mailbox that was."""

    uidvalidity: int
    uids: list[int]
    mailbox_id: int


def append_all(
    conn: Connection, storage: Storage, account: AccountRef, name: str, messages: Sequence[Incoming]
) -> AppendedUids:
    """APPEND of several messages: durable when it returns. Raises MailboxNotFound, OverQuota."""
    quota.check(conn, account, sum(size_hint(each.content) for each in messages), len(messages))
    exchange: Exchange | None = None
    try:
        with conn.transaction():
            ledger = lock_mailbox_named(conn, account.id, kept_name(conn, account, name))
            exchange = storage.store(account).exchange(ledger.record.name, messages)
            uids = insert_incoming(conn, ledger, messages, exchange.placed)
            write_ledgers(conn, [ledger])
    except BaseException as error:
        # If the session ended nobody knows; who finds rows without files will.
        if exchange is not None and not is_in_doubt(conn, error):
            exchange.undo()
        raise
    exchange.complete()
    return AppendedUids(ledger.record.uidvalidity, uids, ledger.record.id)


def insert_incoming(
    conn: Connection, ledger: Ledger, messages: Sequence[Incoming], placed: Sequence[Placed]
) -> list[int]:
    """Rows for messages that have their place. Returns the UIDs."""
    now = datetime.now(UTC)
    new = [
        (ledger, NewMessage(there.key, there.size, each.internal_date or now, each.flags))
        for each, there in zip(messages, placed, strict=True)
    ]
    uids = insert_messages(conn, new)
    dated = [uid for uid, each in zip(uids, messages, strict=True) if each.internal_date is not None]
    if dated:
        conn.execute(statements.SET_SAVED, {"mailbox_id": ledger.record.id, "uids": dated})
    return uids


def size_hint(content: Content) -> int:
    """About what a message will occupy."""
    return os.stat(content).st_size if isinstance(content, Path) else wire_size(content)
