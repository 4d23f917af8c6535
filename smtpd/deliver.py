"""From the group commit to the batch delivery on a pool thread, and the news of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

import psycopg

from mailcore.delivery.batch import Arrival, deliver_batch
from mailcore.events import publish
from mailcore.offload import Connection, Offload
from mailcore.outcome import Delivered
from mailcore.queue.spool import Spool
from mailcore.store.journal import Journal
from mailcore.store.storage import Storage
from smtpd.group_commit import Answer
from smtpd.services import Config

INBOXES = "SELECT id FROM mailbox WHERE account_id = ANY(%(accounts)s) AND name = 'INBOX'"


class Delivery:
    """Delivers batches, then tells who has to look. Telling is best effort and off the reply's path."""

    def __init__(
        self, offload: Offload, storage: Storage, spool: Spool, journal: Journal, config: Config, redis: Any
    ) -> None:
        self._offload = offload
        self._storage = storage
        self._spool = spool
        self._journal = journal
        self._config = config
        self._redis = redis
        self._telling: set[asyncio.Task[None]] = set()

    async def __call__(self, arrivals: Sequence[Arrival]) -> Sequence[Answer]:
        """One answer per arrival; raises what the database raises."""
        lifetime_s = self._config.current().maximal_queue_lifetime
        answers, inboxes = await self._offload(self._commit, arrivals, lifetime_s)
        if inboxes:
            self._tell(publish.mailbox_changed_async(self._redis, inboxes))
        return answers

    async def wake_queue(self) -> None:
        """There is work for the scheduler."""
        self._tell(publish.queue_wakeup_async(self._redis))

    def _commit(
        self, conn: Connection, arrivals: Sequence[Arrival], lifetime_s: float
    ) -> tuple[list[Answer], list[int]]:
        """Deliver, and find out whose mailboxes have changed."""
        answers: list[Answer] = list(
            deliver_batch(conn, self._storage, self._spool, arrivals, lifetime_s, self._journal)
        )
        accounts = {
            local.account.id
            for arrival, answer in zip(arrivals, answers, strict=True)
            if isinstance(answer, list)
            for local, outcome in zip(arrival.local, answer, strict=True)
            if isinstance(outcome, Delivered)
        }
        return answers, _inboxes(conn, accounts) if accounts else []

    def _tell(self, news: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(news)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)


def _inboxes(conn: Connection, accounts: set[int]) -> list[int]:
    """The mailboxes to tell of. The mail is safe by now: a database that goes away here costs only the news."""
    try:
        rows = conn.execute(INBOXES, {"accounts": list(accounts)}).fetchall()
    except psycopg.Error:
        return []
    return [int(row[0]) for row in rows]
