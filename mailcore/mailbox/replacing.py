"""REPLACE (RFC 8508): a new message appears and an old one goes, in one transaction.

A Maildir survives a crash at any moment with one of the two and never with both or none. An mbox file may have both
after a crash, for its new message is in the file before the COMMIT and the old one goes after it; none is lost.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import psycopg

from mailcore.db.doubt import is_in_doubt
from mailcore.errors import MessageGone
from mailcore.identity import AccountRef
from mailcore.index.index import expunge_rows, message_rows, write_ledgers
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import quota
from mailcore.mailbox.account import get_mailbox
from mailcore.mailbox.appending import AppendedUids, insert_incoming, size_hint
from mailcore.mailbox.mailbox import lock_two
from mailcore.store.exchange import Exchange, Incoming, Outgoing
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]


@dataclass(frozen=True, slots=True)
class Target:
    """Where the new message goes: whose mailbox, and its name."""

    owner: AccountRef
    name: str


def replace(
    conn: Connection,
    storage: Storage,
    owner: AccountRef,
    mailbox: MailboxRecord,
    uid: int,
    target: Target,
    message: Incoming,
) -> AppendedUids:
    """Put `message` into the target in the place of `uid`. Raises MailboxNotFound for the target, MessageGone,
    OverQuota for what is more than before.
    """
    target_id = get_mailbox(conn, target.owner, target.name).id
    exchanges: list[Exchange] = []
    try:
        with conn.transaction():
            source, into = lock_two(conn, mailbox.id, target_id)
            old = message_rows(conn, mailbox.id, [uid])
            if not old:
                raise MessageGone(f"{source.record.name}/{uid}")
            is_own = target.owner.id == owner.id
            more = size_hint(message.content) - (old[0].size if is_own else 0)
            quota.check(conn, target.owner, more, 0 if is_own else 1)
            exchanges.append(storage.store(target.owner).exchange(into.record.name, [message]))
            gone = Outgoing(source.record.name, old[0].store_key, old[0].as_flags())
            exchanges.append(storage.store(owner).exchange(source.record.name, (), [gone]))
            uids = insert_incoming(conn, into, [message], exchanges[0].placed)
            expunge_rows(conn, source, old)
            write_ledgers(conn, [into] if source is into else [source, into])
    except BaseException as error:
        # If the session ended nobody knows; who finds rows without files will.
        if not is_in_doubt(conn, error):
            _all(exchanges, complete=False)
        raise
    _all(exchanges, complete=True)
    return AppendedUids(into.record.uidvalidity, uids, target_id)


def _all(exchanges: list[Exchange], *, complete: bool) -> None:
    """Each of them, whatever becomes of the others."""
    with ExitStack() as stack:
        for each in reversed(exchanges):
            stack.callback(each.complete if complete else each.undo)
