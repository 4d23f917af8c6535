"""Who has to look at what: one subscription per process, handed on to the sessions that selected a mailbox, and to
those that want to hear of all that happens to the mailboxes of an account.

A notification is only a hint. While Redis is away the index is asked every LOOK_WITHOUT_REDIS_S, once for all selected
mailboxes of the process and once for all accounts, which of them have changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Generic, Protocol, TypeVar

import psycopg
import redis.asyncio

from mailcore.events import publish
from mailcore.events.publish import ACCOUNT_CHANNEL
from mailcore.events.subscribe import Hint

CHECK_REDIS_S = 3.0
LOOK_WITHOUT_REDIS_S = 1.0
GATHER_S = 0.02
CANCEL_AGAIN_S = 0.2


class Watcher(Protocol):
    """A session that has a mailbox selected."""

    def notify(self) -> None:
        """Something may have happened to it."""


class AccountWatcher(Protocol):
    """A session that follows the mailboxes of an account: their names, subscriptions, rights and annotations."""

    def notify_account(self) -> None:
        """Something may have happened to them."""


W = TypeVar("W")
State = int | str


class _Watched(Generic[W]):
    """Who watches what, by id; and what was to be seen there at the last look without Redis."""

    def __init__(self, wake: Callable[[W], None]) -> None:
        self._wake = wake
        self._watchers: dict[int, set[W]] = {}
        self._seen: dict[int, State] = {}

    def ids(self) -> list[int]:
        return sorted(self._watchers)

    def add(self, watched_id: int, watcher: W) -> None:
        self._watchers.setdefault(watched_id, set()).add(watcher)
        # It may have begun before the last look, which did not know of it.
        self._seen.pop(watched_id, None)

    def remove(self, watched_id: int, watcher: W) -> None:
        watchers = self._watchers.get(watched_id)
        if watchers is not None:
            watchers.discard(watcher)
            if not watchers:
                del self._watchers[watched_id]

    def wake(self, watched_id: int, origin: W | None = None) -> None:
        for watcher in self._watchers.get(watched_id, ()):
            if watcher is not origin:
                self._wake(watcher)

    def wake_everybody(self) -> None:
        for watched_id in self._watchers:
            self.wake(watched_id)

    def compare(self, looked_at: Iterable[int], found: Mapping[int, State]) -> None:
        """Wake who watches something that is not as it was last seen; at the first look, everybody."""
        for watched_id in looked_at:
            # What is gone is news too.
            state = found.get(watched_id, 0)
            if self._seen.get(watched_id) != state:
                self._seen[watched_id] = state
                self.wake(watched_id)

    def forget(self) -> None:
        self._seen.clear()


async def _no_states(account_ids: list[int]) -> dict[int, str]:
    return {}


class Hub:
    """Hints in from Redis and from this process's own sessions; hints out to sessions and to Redis."""

    def __init__(
        self,
        client: redis.asyncio.Redis,
        changes: Callable[[], AsyncIterator[Hint | None]],
        modseqs: Callable[[list[int]], Awaitable[dict[int, int]]],
        account_states: Callable[[list[int]], Awaitable[dict[int, str]]] = _no_states,
    ) -> None:
        self._client = client
        self._changes = changes
        self._modseqs = modseqs
        self._account_states = account_states
        self._mailboxes: _Watched[Watcher] = _Watched(lambda watcher: watcher.notify())
        self._accounts: _Watched[AccountWatcher] = _Watched(lambda watcher: watcher.notify_account())
        self._unpublished: set[int] = set()
        self._unpublished_accounts: set[int] = set()
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
        self._mailboxes.add(mailbox_id, watcher)

    def unwatch(self, mailbox_id: int, watcher: Watcher) -> None:
        """And no longer."""
        self._mailboxes.remove(mailbox_id, watcher)

    def watch_account(self, account_id: int, watcher: AccountWatcher) -> None:
        """Tell `watcher` about the list of mailboxes of this account from now on."""
        self._accounts.add(account_id, watcher)

    def unwatch_account(self, account_id: int, watcher: AccountWatcher) -> None:
        """And no longer."""
        self._accounts.remove(account_id, watcher)

    def announce(self, mailbox_ids: Iterable[int], origin: Watcher | None = None) -> None:
        """A session of this process changed these mailboxes: the others here hear it now, other processes soon."""
        for mailbox_id in mailbox_ids:
            self._mailboxes.wake(mailbox_id, origin)
            self._unpublished.add(mailbox_id)
        self._wake_publisher.set()

    def announce_accounts(self, account_ids: Iterable[int], origin: AccountWatcher | None = None) -> None:
        """The same for accounts that have other mailboxes, names, subscriptions, rights or annotations than before."""
        for account_id in account_ids:
            self._accounts.wake(account_id, origin)
            self._unpublished_accounts.add(account_id)
        self._wake_publisher.set()

    async def _listen(self) -> None:
        async for hint in self._changes():
            if hint is None:
                self._mailboxes.wake_everybody()
                self._accounts.wake_everybody()
                continue
            watched = self._accounts if hint.channel == ACCOUNT_CHANNEL else self._mailboxes
            for each in hint.ids:
                watched.wake(each)

    async def _publish(self) -> None:
        """The first change is published at once; those of the next GATHER_S together."""
        while True:
            await self._wake_publisher.wait()
            self._wake_publisher.clear()
            ids, self._unpublished = self._unpublished, set()
            account_ids, self._unpublished_accounts = self._unpublished_accounts, set()
            if ids:
                await publish.mailbox_changed_async(self._client, sorted(ids))
            if account_ids:
                await publish.account_changed_async(self._client, sorted(account_ids))
            await asyncio.sleep(GATHER_S)

    async def _look_without_redis(self) -> None:
        pause_s = CHECK_REDIS_S
        while True:
            await asyncio.sleep(pause_s)
            if await self._redis_answers():
                pause_s = CHECK_REDIS_S
                self._mailboxes.forget()
                self._accounts.forget()
            else:
                pause_s = LOOK_WITHOUT_REDIS_S
                await self._look()

    async def _look(self) -> None:
        """Tell who watches what has changed since the last look."""
        mailbox_ids, account_ids = self._mailboxes.ids(), self._accounts.ids()
        try:
            self._mailboxes.compare(mailbox_ids, await self._modseqs(mailbox_ids))
            if account_ids:
                self._accounts.compare(account_ids, await self._account_states(account_ids))
        except psycopg.Error:
            return  # away as well; what has changed meanwhile is found at the next look

    async def _redis_answers(self) -> bool:
        try:
            await self._client.ping()
        except (redis.RedisError, OSError):
            return False
        return True
