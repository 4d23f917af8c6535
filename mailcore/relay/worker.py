"""What a queue worker has at hand while it works on leases. Made once per process."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import psycopg

from mailcore.clock import Clock
from mailcore.config.snapshot import Snapshot
from mailcore.maillog.event import Event
from mailcore.queue.spool import Spool
from mailcore.relay.local import LocalDelivery
from mailcore.relay.mx import Resolver
from mailcore.reply import Reply

Connection = psycopg.Connection[Any]


class Database(Protocol):
    """One connection, made anew when it broke."""

    def connection(self) -> Connection:
        """An open connection in autocommit mode. Raises psycopg.OperationalError."""


class Events(Protocol):
    """Where happenings are noted: mailcore.maillog.record.Recorder."""

    def record(self, event: Event) -> None:
        """Never blocks, never raises."""


class Hints(Protocol):
    """Tells others to look; best effort, never raises."""

    def mailboxes_changed(self, mailbox_ids: Sequence[int]) -> None:
        """Messages arrived there."""

    def queue_changed(self) -> None:
        """Something is due, or there is room for more."""

    def others_wait(self) -> bool:
        """Whether leases wait for a worker to become free, as far as anybody knows."""

    def hop_answered(self, hop_key: str, refusal: Reply | None) -> None:
        """The next hop could not be reached (and why), or could (None)."""


def _never() -> bool:
    return False


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Worker:
    """All that running a lease needs.

    `stopping` says that the program wants to end: no further message is begun. `progress` is called whenever the work
    goes on, so that a worker which hangs can be told from one that waits. `time_scale` shortens the time
    limits of SMTP in tests.
    """

    database: Database
    spool: Spool
    local: LocalDelivery
    resolver: Resolver
    tls_contexts: tuple[ssl.SSLContext, ssl.SSLContext]
    snapshot: Callable[[Connection], Snapshot]
    unseal: Callable[[str], str]
    events: Events
    hints: Hints
    clock: Clock
    stopping: Callable[[], bool] = _never
    progress: Callable[[], None] = _nothing
    time_scale: float = 1.0
    record_patience_s: float = 900.0
