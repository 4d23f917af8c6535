"""Group commit: the messages that arrived together become durable together.

`deliver_batch` is the hot path of the appliance. One database transaction adds every index and queue row. Under the
locks of the mailboxes, and while the rows are inserted, the contents go to the journal in one write and one flush
(larger ones are flushed where they lie); then the files get their names in new/, then COMMIT; only then does the
caller acknowledge. Nothing is parsed. A crash in between leaves a message that nobody was told about, never a row
without its content and never a loss.

The rows of the mailboxes are locked before names appear in new/, so no session adopts a file that is about to get its
row from here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

import psycopg

from mailcore.db.doubt import is_in_doubt
from mailcore.delivery.arrival import Arrival, LocalRecipient
from mailcore.delivery.placing import Placing
from mailcore.errors import MailError, StoreError, StoreUnavailable
from mailcore.index import statements
from mailcore.index.index import Ledger, insert_numbered, write_ledgers
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.account import ensure_inboxes
from mailcore.outcome import Outcome
from mailcore.queue import operations
from mailcore.queue.records import QueuedMessage
from mailcore.queue.spool import Spool
from mailcore.store import files
from mailcore.store.journal import Journal, Writing
from mailcore.store.storage import Storage

__all__ = ["Arrival", "LocalRecipient", "deliver_batch"]

Connection = psycopg.Connection[Any]
INBOX = "INBOX"


def _nobody(mailbox_ids: Collection[int]) -> None:
    """Nobody wants to know."""


def _nothing() -> None:
    """Nobody wants to know this either."""


def deliver_batch(
    conn: Connection,
    storage: Storage,
    spool: Spool,
    arrivals: Sequence[Arrival],
    expires_after_s: float,
    journal: Journal | None = None,
    *,
    on_committing: Callable[[], None] = _nothing,
    on_commit: Callable[[Collection[int]], None] = _nobody,
) -> list[list[Outcome] | MailError]:
    """Deliver and enqueue `arrivals`; one answer for each, in their order.

    A list: the message is durable everywhere. It holds one Outcome per local recipient, in their order: Delivered, or
    Deferred when the mailbox could not be served now and a queue row keeps the promise. Remote recipients are queued
    and have no outcome yet. A MailError: nothing of this message was kept; answer with a temporary failure.
    `on_committing` is called right before COMMIT: if this process dies from then on, nobody knows what was kept.
    `on_commit` is told the ids of mailboxes that have got mail.
    Raises psycopg.Error when the database cannot be used: then nothing of the whole batch was kept.
    """
    try:
        places = Places(storage, spool, journal)
        answers, mailbox_ids = _deliver(conn, places, arrivals, expires_after_s, on_committing)
        on_commit(mailbox_ids)
        return answers
    except (psycopg.IntegrityError, psycopg.DataError, psycopg.errors.LockNotAvailable) as error:
        # One message the database does not take now (its account was deleted, or is being converted) must not stop
        # the others.
        if len(arrivals) == 1:
            return [StoreUnavailable(str(error))]
    except StoreError as error:
        if len(arrivals) == 1:
            return [error]
    again = partial(deliver_batch, on_committing=on_committing, on_commit=on_commit)
    return [answer for each in arrivals for answer in again(conn, storage, spool, [each], expires_after_s, journal)]


@dataclass(frozen=True, slots=True)
class Places:
    """Where mail goes. Without a journal every file is flushed where it lies."""

    storage: Storage
    spool: Spool
    journal: Journal | None


def _deliver(
    conn: Connection,
    places: Places,
    arrivals: Sequence[Arrival],
    expires_after_s: float,
    on_committing: Callable[[], None],
) -> tuple[list[list[Outcome] | MailError], set[int]]:
    placings = [Placing(arrival) for arrival in arrivals]
    committing = False
    try:
        # One pipeline: the database is waited for twice, for the locks and for the COMMIT.
        with conn.pipeline(), conn.transaction():
            _commit_all(conn, places, placings, expires_after_s)
            on_committing()
            committing = True
    except BaseException as error:
        # When COMMIT itself went unanswered, nobody knows whether the rows are there; then the files have to stay.
        if not committing or (isinstance(error, psycopg.Error) and not is_in_doubt(conn, error)):
            for placing in placings:
                placing.take_back(places.spool)
        with suppress(psycopg.Error):  # of a session that has ended
            conn.rollback()
        raise
    for placing in placings:
        placing.finish()
    mailbox_ids = {ledger.record.id for placing in placings for ledger, _, _ in placing.rows}
    return [placing.error or placing.outcomes for placing in placings], mailbox_ids


def _commit_all(conn: Connection, places: Places, placings: Sequence[Placing], expires_after_s: float) -> None:
    """Everything inside the database transaction."""
    ledgers = _lock(conn, placings)
    for placing in placings:
        placing.plan(places.storage, ledgers)
    with _journalled(places, placings) as writing:
        kept = _write(places, placings, writing)
        flushed = [placing for placing in kept if writing is None or not placing.is_small]
        with files.disk_errors(), _flushing(places, flushed):
            _insert(conn, kept, expires_after_s)
            if writing is not None:
                writing.wait()
                for placing in kept:
                    if placing.is_small:
                        placing.name()


@contextmanager
def _journalled(places: Places, placings: Sequence[Placing]) -> Iterator[Writing | None]:
    """The small contents are on their way into the journal while the body runs."""
    if places.journal is None:
        yield None
        return
    entries = [entry for placing in placings if (entry := placing.entry(places.journal, places.spool))]
    with files.disk_errors(), places.journal.keeping(entries) as writing:
        yield writing


@contextmanager
def _flushing(places: Places, placings: Sequence[Placing]) -> Iterator[None]:
    """What no journal holds is flushed where it lies; the directories while the body runs."""
    places.storage.sync.contents([fd for placing in placings for fd in placing.descriptors()])
    places.spool.sync([placing.spooled for placing in placings if placing.spooled])
    for placing in placings:
        placing.name()
    with places.storage.sync.directories(set[str]().union(*(placing.folders() for placing in placings))):
        yield


def _write(places: Places, placings: Sequence[Placing], writing: Writing | None) -> list[Placing]:
    """Write the files; a message that cannot be written is taken back and does not stop the others."""
    for placing in placings:
        try:
            with files.disk_errors():
                placing.write(places.storage, places.spool)
        except StoreError as error:
            placing.error = error
            placing.take_back(places.spool)
            continue
        if writing is not None:
            for fd in placing.descriptors():
                writing.touches(fd)
    return [placing for placing in placings if placing.error is None]


def _insert(conn: Connection, placings: Sequence[Placing], expires_after_s: float) -> None:
    rows = [row for placing in placings for row in placing.rows]
    if rows:
        insert_numbered(conn, rows)
        write_ledgers(conn, list({ledger.record.id: ledger for ledger, _, _ in rows}.values()))
    operations.insert_batch(conn, [_queued(placing, expires_after_s) for placing in placings if placing.queued])


def _lock(conn: Connection, placings: Sequence[Placing]) -> dict[tuple[int, str], Ledger]:
    """Lock every mailbox of the batch; an account that has none yet gets its INBOX."""
    local = [each for placing in placings for each in placing.arrival.local]
    wanted = {(each.account.id, name) for each in local for name in (each.mailbox, INBOX)}
    if not wanted:
        return {}
    conn.execute(statements.LIMIT_WAIT)
    ledgers = _lock_by_name(conn, wanted)
    missing = {account for account, _ in wanted if (account, INBOX) not in ledgers}
    if missing:
        ensure_inboxes(conn, sorted(missing))
        ledgers = _lock_by_name(conn, wanted)
    return ledgers


def _lock_by_name(conn: Connection, wanted: set[tuple[int, str]]) -> dict[tuple[int, str], Ledger]:
    names = {"account_ids": [account for account, _ in wanted], "names": [name for _, name in wanted]}
    rows = conn.execute(statements.LOCK_MAILBOXES_BY_NAME, names).fetchall()
    records = map(MailboxRecord._make, rows)
    return {(record.account_id, record.name): Ledger(record) for record in records}


def _queued(placing: Placing, expires_after_s: float) -> QueuedMessage:
    arrival = placing.arrival
    return QueuedMessage(
        queue_id=arrival.queue_id,
        envelope=arrival.envelope,
        size=arrival.size,
        content_offset=arrival.content_offset,
        received_at=arrival.received_at,
        expires_at=arrival.received_at + timedelta(seconds=expires_after_s),
        message_id=arrival.message_id,
        client=arrival.client,
        account=arrival.account,
        recipients=placing.queued,
    )
