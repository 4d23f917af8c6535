"""Leases: who is trying which recipients, and what came of it.

A lease is a token and a time. The scheduler claims due recipients, grouped by next hop; a worker tries them, renews
the lease while it works, and records. Whoever dies or loses the database simply lets the lease end, and the
recipients are claimed again. Nothing here depends on a broker.

Recording is fenced: a deferral or failure counts only while the lease is held, so a recipient whose lease ended cannot
bounce twice. A delivery counts always: it is a fact, and deleting the row prevents a second one.

Attempts that are begun and come to no end are bounded (mailcore.queue.states): `begin` counts, and parks.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from mailcore.address import Address
from mailcore.envelope import Envelope, Recipient
from mailcore.queue import operations, statements
from mailcore.queue.records import ClaimedLease, LeasedMessage, LeasedRecipient, OpenLease, Results
from mailcore.queue.states import MOST_UNFINISHED

Connection = psycopg.Connection[Any]
HopKey = Callable[[str, str], str]  # recipient address, sender -> what messages with the same next hop have in common

HANDOVER_S = 20.0  # until a worker has taken up a lease; then the task is taken for lost
LEASE_S = 45.0  # from each renewal; a dead worker's recipients wait at most this long
BATCH_SIZE = 100
_ROWS = 1000
_ROUNDS = 4
_NO_WISHES: frozenset[str] = frozenset()
PARKED = (
    f"451 4.3.0 parked: {MOST_UNFINISHED} attempts at this message ended with an error of this mail server;"
    " see its log. It is tried again when it is released."
)


@dataclass(frozen=True, slots=True)
class Begun:
    """What has come of beginning a lease: whether there is something to try, and the queue ids that were parked.

    `is_again`: somebody has begun it before. `is_divided`: so it was given back, each message for itself.
    """

    is_held: bool
    parked: tuple[str, ...] = ()
    is_again: bool = False
    is_divided: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """What was leased. `is_all`: nothing that was found due had to be left."""

    leases: Sequence[ClaimedLease]
    is_all: bool

    def __iter__(self) -> Iterator[ClaimedLease]:
        return iter(self.leases)


class LeaseLost(Exception):
    """The lease ended while the work went on; somebody else may have the recipients now."""


def claim_due(
    conn: Connection,
    now: datetime,
    hop_key: HopKey,
    room: Callable[[str], int],
    *,
    batch_size: Callable[[str], int] = lambda _: BATCH_SIZE,
    may_wait: Callable[[str, datetime], bool] = lambda *_: False,
    max_leases: int = 100,
    with_sender: bool = True,
    is_thorough: bool = True,
) -> Claim:
    """Lease what is due: at most `room(key)` leases per next hop, at most `batch_size(key)` recipients in each.

    A destination without room does not hide the others: a thorough search goes on without it, past all that waits
    there. Less than a full batch is left where it is if `may_wait(key, due since)`: somebody is expected to come for
    it.
    """
    search = _Search(hop_key, room, batch_size, may_wait, max_leases)
    claimed: list[ClaimedLease] = []
    meant = {"now": now, "with_sender": with_sender, "row_limit": _ROWS}
    for _ in range(_ROUNDS if is_thorough else 1):
        rows = conn.execute(statements.SELECT_DUE, {**meant, "full": sorted(search.full)}).fetchall()
        claimed += _take(conn, search.group(rows), now)
        if len(rows) < _ROWS or len(claimed) >= max_leases:
            break
    return Claim(claimed, is_all=not search.full)


@dataclass(slots=True)
class _Search:
    """What is found due, divided into leases. `full`: the destinations of which something had to be left."""

    hop_key: HopKey
    room: Callable[[str], int]
    batch_size: Callable[[str], int]
    may_wait: Callable[[str, datetime], bool]
    leases_left: int
    left: dict[str, int] = field(default_factory=dict)
    full: set[str] = field(default_factory=set)

    def group(self, rows: Sequence[tuple[Any, ...]]) -> list[tuple[str, list[int]]]:
        """Key and row ids of each lease. A suspect message stays alone."""
        groups: list[_Group] = []
        current: dict[tuple[str, int], _Group] = {}
        for row_id, address, destination, sender, suspect, due_at in rows:
            key = self.hop_key(address, sender)
            group = current.get((key, suspect))
            if group is None or len(group.ids) >= self.batch_size(key):
                group = current[key, suspect] = _Group(key, due_at, bool(suspect))
                groups.append(group)
            group.ids.append(row_id)
            group.destinations.add(destination)
        return [(group.key, group.ids) for group in groups if self._may_have(group)]

    def _may_have(self, group: _Group) -> bool:
        if group.key not in self.left:
            self.left[group.key] = self.room(group.key)
        is_small = not group.is_suspect and len(group.ids) < self.batch_size(group.key)
        if (
            self.left[group.key] <= 0
            or self.leases_left <= 0
            or (is_small and self.may_wait(group.key, group.due_since))
        ):
            self.full |= group.destinations
            return False
        self.left[group.key] -= 1
        self.leases_left -= 1
        return True


@dataclass(slots=True)
class _Group:
    key: str
    due_since: datetime
    is_suspect: bool
    ids: list[int] = field(default_factory=list)
    destinations: set[str] = field(default_factory=set)


def _take(conn: Connection, groups: Sequence[tuple[str, list[int]]], now: datetime) -> list[ClaimedLease]:
    if not groups:
        return []
    until = now + timedelta(seconds=HANDOVER_S)
    tokens = [uuid.uuid4() for _ in groups]
    meant = {
        "ids": [row_id for _, ids in groups for row_id in ids],
        "leases": [token for token, (_, ids) in zip(tokens, groups, strict=True) for _ in ids],
        "until": until,
        "now": now,
    }
    taken = Counter(row[0] for row in conn.execute(statements.TAKE_LEASE, meant))
    return [
        ClaimedLease(token, key, taken[token], until)
        for token, (key, _) in zip(tokens, groups, strict=True)
        if taken[token]
    ]


def open_leases(conn: Connection) -> list[OpenLease]:
    """All leases there are, ended ones included."""
    return [OpenLease(*row) for row in conn.execute(statements.SELECT_LEASES)]


def reclaim_ended(conn: Connection, now: datetime) -> int:
    """Make recipients of ended leases due again; returns how many."""
    return conn.execute(statements.RECLAIM_ENDED, {"now": now}).rowcount


def give_back(conn: Connection, lease: uuid.UUID, *, begun: bool = False) -> int:
    """End a lease early: what is left of it is due again. `begun`: the caller began it, and nothing went wrong."""
    return conn.execute(statements.RETURN_LEASE, {"lease": lease, "begun": int(begun)}).rowcount


def give_back_some(conn: Connection, lease: uuid.UUID, ids: Sequence[int]) -> None:
    """Take recipients out of a lease that was topped up with them; they are due for others."""
    conn.execute(statements.RETURN_SOME, {"lease": lease, "ids": list(ids)})


def begin(conn: Connection, lease: uuid.UUID, now: datetime) -> Begun:
    """Count an attempt at every recipient of the lease, and prolong it. What has been begun too often is parked.

    A lease with several messages that somebody began before is given back, so that each of them gets its own: one of
    them may be what killed that worker.
    """
    until = now + timedelta(seconds=LEASE_S)
    with conn.transaction():
        rows = conn.execute(statements.BEGIN_LEASE, {"lease": lease, "now": now, "until": until}).fetchall()
        most = max((count for _, count in rows), default=0)
        if most > 1 and len({message_id for message_id, _ in rows}) > 1:
            give_back(conn, lease, begun=True)
            return Begun(is_held=False, is_again=True, is_divided=True)
        if most <= MOST_UNFINISHED:
            return Begun(is_held=bool(rows), is_again=most > 1)
        parked = conn.execute(statements.PARK, {"lease": lease, "most": MOST_UNFINISHED, "reply": PARKED}).fetchall()
    return Begun(len(parked) < len(rows), tuple(sorted({row[0] for row in parked})), is_again=True)


def renew(conn: Connection, lease: uuid.UUID, now: datetime) -> bool:
    """Prolong the lease; False if it ended, or nothing is left of it."""
    until = now + timedelta(seconds=LEASE_S)
    return conn.execute(statements.RENEW_LEASE, {"lease": lease, "now": now, "until": until}).rowcount > 0


def take_up(conn: Connection, lease: uuid.UUID) -> bool:
    """Be the only one who works on this lease, as long as this connection lives. False: somebody else does."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [_lock_key(lease)]).fetchone()
    return bool(row and row[0])


def put_down(conn: Connection, lease: uuid.UUID) -> None:
    """The reverse of take_up."""
    conn.execute("SELECT pg_advisory_unlock(%s)", [_lock_key(lease)])


def _lock_key(lease: uuid.UUID) -> int:
    return int.from_bytes(lease.bytes[:8], "big", signed=True)


def load(conn: Connection, lease: uuid.UUID, now: datetime) -> list[LeasedMessage]:
    """The messages of a lease; empty when it is not valid (any more)."""
    return _messages(conn, statements.SELECT_LEASED, {"lease": lease, "now": now})


def top_up(conn: Connection, lease: uuid.UUID, destinations: Sequence[str], now: datetime) -> list[LeasedMessage]:
    """Take what else is due for these destinations into a lease that the caller holds and has begun."""
    until = now + timedelta(seconds=LEASE_S)
    meant = {"lease": lease, "destinations": list(destinations), "now": now, "until": until, "row_limit": BATCH_SIZE}
    return _messages(conn, statements.TOP_UP, meant)


def _messages(conn: Connection, statement: str, meant: dict[str, Any]) -> list[LeasedMessage]:
    with conn.cursor(row_factory=namedtuple_row) as cursor:
        rows = cursor.execute(statement, meant).fetchall()
    # In the order of their messages.
    return [_message(list(group)) for _, group in groupby(rows, key=itemgetter(1))]


def _message(rows: list[Any]) -> LeasedMessage:
    first = rows[0]
    recipients = tuple(_recipient(row) for row in rows)
    return LeasedMessage(
        id=first.message_id,
        queue_id=first.queue_id,
        envelope=Envelope(
            sender=Address.parse(first.sender) if first.sender else None,
            recipients=tuple(leased.recipient for leased in recipients),
            ret=first.ret,
            envid=first.envid,
            smtputf8=first.smtputf8,
            body_8bit=first.body_8bit,
        ),
        size=first.size,
        content_offset=first.content_offset,
        received_at=first.received_at,
        expires_at=first.expires_at,
        message_id=first.message_id_header,
        client=first.client,
        account=first.account,
        delay_warned=first.delay_warned,
        recipients=recipients,
        recipients_in_queue=first.recipients_in_queue,
    )


def _recipient(row: Any) -> LeasedRecipient:
    recipient = Recipient(
        address=Address.parse(row.address),
        original=Address.parse(row.original),
        notify=frozenset(row.notify.split(",")) if row.notify else _NO_WISHES,
        orcpt=row.orcpt,
    )
    # The attempt that is about to be made is counted already.
    return LeasedRecipient(row.id, recipient, row.attempts, again=row.unfinished_attempts > 1)


def record(conn: Connection, lease: uuid.UUID, results: Results, now: datetime) -> list[str]:
    """Write down what became of recipients, with the reports that calls for, in one database transaction.

    Returns the queue ids of messages that are finished: their spool files may go. Raises LeaseLost, with nothing
    recorded, when a failure comes too late: its report would be the second one. A late deferral changes nothing.
    """
    message_ids = list(results.message_ids)
    if results.all_delivered:
        finished = conn.execute(
            statements.FINISH_DELIVERED, {"message_ids": message_ids, "ids": list(results.delivered)}
        )
        return [row[0] for row in finished]
    with conn.transaction():
        conn.execute(statements.LOCK_MESSAGES, {"message_ids": message_ids})
        if results.delivered:
            conn.execute(statements.DELETE_DELIVERED, {"ids": list(results.delivered)})
        _record_failed(conn, lease, results)
        _record_deferred(conn, lease, results, now)
        if results.warned:
            conn.execute(statements.MARK_WARNED, {"message_ids": list(results.warned)})
        operations.insert_batch(conn, results.reports)
        if not (results.delivered or results.failed):
            return []
        finished = conn.execute(statements.DELETE_FINISHED, {"message_ids": message_ids})
        return [row[0] for row in finished]


def _record_failed(conn: Connection, lease: uuid.UUID, results: Results) -> None:
    if results.failed:
        gone = conn.execute(statements.DELETE_FAILED, {"ids": list(results.failed), "lease": lease}).rowcount
        if gone != len(results.failed):
            raise LeaseLost(lease)


def _record_deferred(conn: Connection, lease: uuid.UUID, results: Results, now: datetime) -> None:
    if not results.deferred:
        return
    columns = {
        "ids": [d.id for d in results.deferred],
        "next_attempt_at": [d.next_attempt_at for d in results.deferred],
        "relay": [d.relay[:320] for d in results.deferred],
        "reply": [d.reply.replace("\0", "") for d in results.deferred],
        "is_our_mistake": [d.is_our_mistake for d in results.deferred],
    }
    # Rows that were held, deleted or claimed anew in the meantime stay as they are.
    conn.execute(statements.DEFER, {**columns, "lease": lease, "now": now})
