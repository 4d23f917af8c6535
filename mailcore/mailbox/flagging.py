"""STORE: flags of messages, in the index and in the store, where other programs look for them.

The mailbox row is locked first, the store is changed before COMMIT: a crash leaves the store ahead of the index, and
the next open reconciles them. COMMIT does not wait for the disk (ADR 18).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import psycopg

from mailcore.identity import AccountRef
from mailcore.index import short
from mailcore.index.index import lock_for_flags, update_only_flags
from mailcore.index.records import FlagChange, FlagResult, FlagRow, Flags, MailboxRecord, MessageRow
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]
_MANY = 100


def set_flags(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uids: Sequence[int],
    change: FlagChange,
    unchanged_since: int | None = None,
) -> FlagResult:
    """STORE: returns the rows of all messages addressed that still exist, except those spared by UNCHANGEDSINCE."""
    if len(uids) == 1:
        result = _set_flags_of_one(conn, storage, account, mailbox, uids[0], change, unchanged_since)
        if result is not None:
            return result
    with conn.transaction():
        ledger, found = lock_for_flags(conn, mailbox.id, uids)
        spared = {r.uid for r in found if unchanged_since is not None and r.modseq > unchanged_since}
        outcome = _Outcome(change)
        wanted = [(row, *outcome.of(row)) for row in found if row.uid not in spared]
        changed = [(row, before, after) for row, before, after in wanted if after is not before]
        if changed:
            # While the database works on many rows, their files get other names.
            with conn.pipeline() if len(changed) > _MANY else nullcontext():
                update_only_flags(conn, ledger, [(row, after) for row, _, after in changed])
                mirror = [(row.store_key, before, after) for row, before, after in changed]
                storage.store(account).set_flags(ledger.record.name, mirror)
    shown = [_shown(row, after, row.modseq if after is before else ledger.modseq) for row, before, after in wanted]
    return FlagResult(shown, [_as_it_is(row) for row in found if row.uid in spared], ledger.modseq if changed else 0)


def _set_flags_of_one(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    uid: int,
    change: FlagChange,
    unchanged_since: int | None,
) -> FlagResult | None:
    """The same for one message, with half the waits; None, and nothing is done, if there is no such message."""
    with short.flags_script(conn) as script:
        message = short.lock_message(script, mailbox.id, uid)
        if message is None:
            return None
        row = message.row
        if unchanged_since is not None and row.modseq > unchanged_since:
            return FlagResult([], [_as_it_is(row)])
        before, after = _Outcome(change).of(row)
        if after is before:
            return FlagResult([_shown(row, before, row.modseq)], [])
        update = short.flags_of(script, message, after)
        storage.store(account).set_flags(message.mailbox, [(row.store_key, before, after)])
        script.commit(update)
    return FlagResult([_shown(row, after, message.modseq)], [], message.modseq)


def _shown(row: MessageRow, flags: Flags, modseq: int) -> FlagRow:
    keywords = sorted(flags.keywords) if flags.keywords else []
    return FlagRow(row.uid, modseq, flags.bits, keywords, row.size, row.internal_date)


def _as_it_is(row: MessageRow) -> FlagRow:
    return FlagRow(row.uid, row.modseq, row.flags, row.keywords, row.size, row.internal_date)


class _Outcome:
    """What one change makes of the flags of messages: of thousands, with a handful of different flags."""

    def __init__(self, change: FlagChange) -> None:
        self._change = change
        self._known: dict[tuple[int, tuple[str, ...]], tuple[Flags, Flags]] = {}

    def of(self, row: MessageRow) -> tuple[Flags, Flags]:
        """The flags before and after; the same object if the change makes no difference."""
        key = (row.flags, tuple(row.keywords))
        found = self._known.get(key)
        if found is None:
            before, after = row.as_flags(), self._change.apply(row.flags, row.keywords)
            found = self._known[key] = (before, before if after == before else after)
        return found
