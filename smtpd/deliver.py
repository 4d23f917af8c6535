"""From the group commit to the process that commits, and the news of it afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

from mailcore.delivery.arrival import Arrival
from mailcore.events import publish
from smtpd.committer import Committed
from smtpd.group_commit import Answer
from smtpd.services import Config

# Arrivals and the lifetime of what is queued, in seconds.
Commit = Callable[[Sequence[Arrival], float], Awaitable[Committed]]


class Delivery:
    """Delivers batches, then tells who has to look. Telling is best effort and off the reply's path."""

    def __init__(self, commit: Commit, config: Config, redis: Any) -> None:
        self._commit = commit
        self._config = config
        self._redis = redis
        self._telling: set[asyncio.Task[None]] = set()

    async def __call__(self, arrivals: Sequence[Arrival]) -> Sequence[Answer]:
        """One answer per arrival; raises what the database raises."""
        answers, changed = await self._commit(arrivals, self._config.current().maximal_queue_lifetime)
        if changed:
            self._tell(publish.mailbox_changed_async(self._redis, changed))
        return answers

    async def wake_queue(self) -> None:
        """There is work for the scheduler."""
        self._tell(publish.queue_wakeup_async(self._redis))

    def _tell(self, news: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(news)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)
