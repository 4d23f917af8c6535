"""From the group commit to the batch delivery on a pool thread, and the news of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from mailcore.delivery.batch import Arrival, deliver_batch
from mailcore.events import publish
from mailcore.offload import Connection, Offload
from mailcore.queue.spool import Spool
from mailcore.store.journal import Journal
from mailcore.store.storage import Storage
from smtpd.group_commit import Answer
from smtpd.services import Config


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
        answers, changed = await self._offload(self._commit, arrivals, lifetime_s)
        if changed:
            self._tell(publish.mailbox_changed_async(self._redis, changed))
        return answers

    async def wake_queue(self) -> None:
        """There is work for the scheduler."""
        self._tell(publish.queue_wakeup_async(self._redis))

    def _commit(
        self, conn: Connection, arrivals: Sequence[Arrival], lifetime_s: float
    ) -> tuple[list[Answer], set[int]]:
        changed: set[int] = set()
        answers: list[Answer] = list(
            deliver_batch(
                conn, self._storage, self._spool, arrivals, lifetime_s, self._journal, on_commit=changed.update
            )
        )
        return answers, changed

    def _tell(self, news: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(news)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
