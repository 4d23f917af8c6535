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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg
from psycopg.rows import dict_row

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
PARKED = (
    f"451 4.3.0 parked: {MOST_UNFINISHED} attempts at this message ended with an error of this mail server;"
    " see its log. It is tried again when it is released."
)


@dataclass(frozen=True, slots=True)
class Begun:
    """What has come of beginning a lease: whether there is something to try, and the queue ids that were parked."""

    is_held: bool
    parked: tuple[str, ...] = ()
    was_begun_before: bool = False


class LeaseLost(Exception):
    """The lease ended while the work went on; somebody else may have the recipients now."""


def claim_due(
    conn: Connection,
    now: datetime,
    hop_key: HopKey,
    room: Callable[[str], int],
    *,
    batch_size: Callable[[str], int] = lambda _: BATCH_SIZE,
    max_leases: int = 100,
) -> list[ClaimedLease]:
    """Lease what is due: at most `room(key)` leases per next hop, at most `batch_size(key)` recipients in each.

    A destination without room does not hide the others: the search goes on without it.
    """
    claimed: list[ClaimedLease] = []
    left: dict[str, int] = {}
    full: set[str] = set()
    for _ in range(_ROUNDS):
        with conn.transaction():
            rows = conn.execute(
                statements.SELECT_DUE, {"now": now, "full": sorted(full), "row_limit": _ROWS}
            ).fetchall()
            groups, skipped = _group(rows, hop_key, room, left, batch_size, max_leases - len(claimed))
            claimed += _take(conn, groups, now)
        full |= skipped
        if len(rows) < _ROWS or len(claimed) >= max_leases:
            break
    return claimed


def _group(
    rows: Sequence[tuple[Any, ...]],
    hop_key: HopKey,
    room: Callable[[str], int],
    left: dict[str, int],
    batch_size: Callable[[str], int],
    max_leases: int,
) -> tuple[list[tuple[str, list[int]]], set[str]]:
    """Rows -> (key, row ids) per lease, and the destinations that found no room. A suspect message stays alone."""
    groups: list[tuple[str, list[int]]] = []
    current: dict[tuple[str, int], list[int]] = {}
    skipped: set[str] = set()
    for row_id, address, destination, sender, suspect in rows:
        key = hop_key(address, sender)
        batch = current.get((key, suspect))
        if batch is None or len(batch) >= batch_size(key):
            if key not in left:
                left[key] = room(key)
            if left[key] <= 0 or len(groups) >= max_leases:
                skipped.add(destination)
                continue
            left[key] -= 1
            batch = current[key, suspect] = []
            groups.append((key, batch))
        batch.append(row_id)
    return groups, skipped


def _take(conn: Connection, groups: Sequence[tuple[str, list[int]]], now: datetime) -> list[ClaimedLease]:
    until = now + timedelta(seconds=HANDOVER_S)
    claimed = [ClaimedLease(uuid.uuid4(), key, len(ids), until) for key, ids in groups]
    if claimed:
        conn.execute(
            statements.TAKE_LEASE,
            {
                "ids": [row_id for _, ids in groups for row_id in ids],
                "leases": [lease.lease for lease, (_, ids) in zip(claimed, groups, strict=True) for _ in ids],
                "until": until,
            },
        )
    return claimed


def open_leases(conn: Connection) -> list[OpenLease]:
    """All leases there are, ended ones included."""
    return [OpenLease(*row) for row in conn.execute(statements.SELECT_LEASES)]


def reclaim_ended(conn: Connection, now: datetime) -> int:
    """Make recipients of ended leases due again; returns how many."""
    return conn.execute(statements.RECLAIM_ENDED, {"now": now}).rowcount


def give_back(conn: Connection, lease: uuid.UUID, *, begun: bool = False) -> int:
    """End a lease early: what is left of it is due again. `begun`: the caller began it, and nothing went wrong."""
    return conn.execute(statements.RETURN_LEASE, {"lease": lease, "begun": int(begun)}).rowcount


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
            return Begun(is_held=False, was_begun_before=True)
        if most <= MOST_UNFINISHED:
            return Begun(is_held=bool(rows))
        parked = conn.execute(statements.PARK, {"lease": lease, "most": MOST_UNFINISHED, "reply": PARKED}).fetchall()
    return Begun(is_held=len(parked) < len(rows), parked=tuple(sorted({row[0] for row in parked})))


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
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statements.SELECT_LEASED, {"lease": lease, "now": now}).fetchall()
    messages: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        messages.setdefault(row["message_id"], []).append(row)
    return [_message(group) for group in messages.values()]


def _message(rows: list[dict[str, Any]]) -> LeasedMessage:
    first = rows[0]
    recipients = tuple(_recipient(row) for row in rows)
    return LeasedMessage(
        id=first["message_id"],
        queue_id=first["queue_id"],
        envelope=Envelope(
            sender=Address.parse(first["sender"]) if first["sender"] else None,
            recipients=tuple(leased.recipient for leased in recipients),
            ret=first["ret"],
            envid=first["envid"],
            smtputf8=first["smtputf8"],
            body_8bit=first["body_8bit"],
        ),
        size=first["size"],
        content_offset=first["content_offset"],
        received_at=first["received_at"],
        expires_at=first["expires_at"],
        message_id=first["message_id_header"],
        client=first["client"],
        account=first["account"],
        delay_warned=first["delay_warned"],
        recipients=recipients,
        recipients_in_queue=first["recipients_in_queue"],
    )


def _recipient(row: dict[str, Any]) -> LeasedRecipient:
    recipient = Recipient(
        address=Address.parse(row["address"]),
        original=Address.parse(row["original"]),
        notify=frozenset(filter(None, row["notify"].split(","))),
        orcpt=row["orcpt"],
    )
    return LeasedRecipient(row["id"], recipient, row["attempts"])


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
