"""Who has to look at which mailbox: one subscription per process, handed on to the sessions that selected it.

A notification is only a hint. While Redis is away every selected mailbox is looked at every LOOK_WITHOUT_REDIS_S.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Protocol

import redis.asyncio

from mailcore.events import publish

LOOK_WITHOUT_REDIS_S = 3.0
GATHER_S = 0.02


class Watcher(Protocol):
    """A session that has a mailbox selected."""

    def notify(self) -> None:
        """Something may have happened to it."""


class Hub:
    """Hints in from Redis and from this process's own sessions; hints out to sessions and to Redis."""

    def __init__(self, client: redis.asyncio.Redis, changes: Callable[[], AsyncIterator[list[int] | None]]) -> None:
        self._client = client
        self._changes = changes
        self._watchers: dict[int, set[Watcher]] = {}
        self._unpublished: set[int] = set()
        self._wake_publisher = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to listen."""
        self._tasks = [
            asyncio.create_task(self._listen()),
            asyncio.create_task(self._publish()),
            asyncio.create_task(self._look_without_redis()),
        ]

    async def stop(self) -> None:
        """Listen no more; what has not been published is not needed any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def watch(self, mailbox_id: int, watcher: Watcher) -> None:
        """Tell `watcher` about this mailbox from now on."""
        self._watchers.setdefault(mailbox_id, set()).add(watcher)

    def unwatch(self, mailbox_id: int, watcher: Watcher) -> None:
        """And no longer."""
        watchers = self._watchers.get(mailbox_id)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[mailbox_id]

    def announce(self, mailbox_ids: Iterable[int], origin: Watcher | None = None) -> None:
        """A session of this process changed these mailboxes: the others here hear it now, other processes soon."""
        for mailbox_id in mailbox_ids:
            self._notify(mailbox_id, origin)
            self._unpublished.add(mailbox_id)
        self._wake_publisher.set()

    def _notify(self, mailbox_id: int, origin: Watcher | None = None) -> None:
        for watcher in self._watchers.get(mailbox_id, ()):
            if watcher is not origin:
                watcher.notify()

    def _notify_everybody(self) -> None:
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.notify()

    async def _listen(self) -> None:
        async for ids in self._changes():
            if ids is None:
                self._notify_everybody()
            else:
                for mailbox_id in ids:
                    self._notify(mailbox_id)

    async def _publish(self) -> None:
        """The first change is published at once; those of the next GATHER_S together."""
        while True:
            await self._wake_publisher.wait()
            self._wake_publisher.clear()
            ids, self._unpublished = self._unpublished, set()
            await publish.mailbox_changed_async(self._client, sorted(ids))
            await asyncio.sleep(GATHER_S)

    async def _look_without_redis(self) -> None:
        while True:
            await asyncio.sleep(LOOK_WITHOUT_REDIS_S)
            if not await self._redis_answers():
                self._notify_everybody()

    async def _redis_answers(self) -> bool:
        try:
            await self._client.ping()
        except (redis.RedisError, OSError):
            return False
        return True
