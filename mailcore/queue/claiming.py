"""Claiming: what is due becomes leases, by next hop, for workers to try.

A search never waits for another one, takes nothing that somebody has, and goes past destinations that have no room.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import psycopg

from mailcore.queue import statements
from mailcore.queue.leases import HANDOVER_S
from mailcore.queue.records import ClaimedLease

Connection = psycopg.Connection[Any]
HopKey = Callable[[str, str], str]  # recipient address, sender -> what messages with the same next hop have in common

BATCH_SIZE = 100
_ROWS = 1000
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class Claim:
    """What was leased. `is_all`: nothing that was found due had to be left."""

    leases: Sequence[ClaimedLease]
    is_all: bool

    def __iter__(self) -> Iterator[ClaimedLease]:
        return iter(self.leases)


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
