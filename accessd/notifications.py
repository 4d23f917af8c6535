"""Who has to look at which mailbox: one subscription per process, handed on to the sessions that selected it.

A notification is only a hint. While Redis is away the index is asked every LOOK_WITHOUT_REDIS_S, once for all selected
mailboxes of the process, which of them have changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Protocol

import psycopg
import redis.asyncio

from mailcore.events import publish

CHECK_REDIS_S = 3.0
LOOK_WITHOUT_REDIS_S = 1.0
GATHER_S = 0.02
CANCEL_AGAIN_S = 0.2


class Watcher(Protocol):
    """A session that has a mailbox selected."""

    def notify(self) -> None:
        """Something may have happened to it."""


class Hub:
    """Hints in from Redis and from this process's own sessions; hints out to sessions and to Redis."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        changes: Callable[[], AsyncIterator[list[int] | None]],
        modseqs: Callable[[list[int]], Awaitable[dict[int, int]]],
    ) -> None:
        self._client = client
        self._changes = changes
        self._modseqs = modseqs
        self._watchers: dict[int, set[Watcher]] = {}
        # Highest modseqs as they were at the last look without Redis.
        self._seen: dict[int, int] = {}
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
        running = set(self._tasks)
        while running:
            for task in running:
                task.cancel()
            # The client of Redis takes a cancellation for one of its own time limits now and then.
            _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN_S)

    def watch(self, mailbox_id: int, watcher: Watcher) -> None:
        """Tell `watcher` about this mailbox from now on."""
        self._watchers.setdefault(mailbox_id, set()).add(watcher)
        # It may have selected the mailbox before the last look, which did not know of it.
        self._seen.pop(mailbox_id, None)

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
        pause_s = CHECK_REDIS_S
        while True:
            await asyncio.sleep(pause_s)
            if await self._redis_answers():
                pause_s = CHECK_REDIS_S
                self._seen.clear()
            else:
                pause_s = LOOK_WITHOUT_REDIS_S
                await self._look()

    async def _look(self) -> None:
        """Tell who watches a mailbox that is not as it was last seen; at the first look, everybody."""
        watched = sorted(self._watchers)
        try:
            found = await self._modseqs(watched)
        except psycopg.Error:
            return  # away as well; what has changed meanwhile is found at the next look
        for mailbox_id in watched:
            # A mailbox that is gone is news too.
            modseq = found.get(mailbox_id, 0)
            if self._seen.get(mailbox_id) != modseq:
                self._seen[mailbox_id] = modseq
                self._notify(mailbox_id)

    async def _redis_answers(self) -> bool:
        try:
            await self._client.ping()
        except (redis.RedisError, OSError):
            return False
        return True
