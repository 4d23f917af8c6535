"""Leases: who is trying which recipients.

A lease is a token and a time. The scheduler claims due recipients (mailcore.queue.claiming); a worker begins the lease,
tries them, renews it while it works, and records (mailcore.queue.outcomes). Whoever dies or loses the database simply
lets the lease end, and the recipients are claimed again. Nothing here depends on a broker.

Attempts that are begun and come to no end are bounded (mailcore.queue.states): `begin` counts, and parks.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import psycopg

from mailcore.queue import statements
from mailcore.queue.records import OpenLease
from mailcore.queue.states import MOST_UNFINISHED

Connection = psycopg.Connection[Any]

HANDOVER_S = 20.0  # until a worker has taken up a lease; then the task is taken for lost
LEASE_S = 45.0  # from each renewal; a dead worker's recipients wait at most this long
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


class LeaseLost(Exception):
    """The lease ended while the work went on; somebody else may have the recipients now."""


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
