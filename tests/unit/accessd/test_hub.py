"""Hints: who hears of a change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import redis.exceptions

from accessd import notifications
from accessd.notifications import Hub


class Session:
    def __init__(self) -> None:
        self.heard = 0

    def notify(self) -> None:
        self.heard += 1


class Redis:
    """What a Hub needs of Redis, in memory."""

    def __init__(self) -> None:
        self.published: list[str] = []
        self.hints: asyncio.Queue[list[int] | None] = asyncio.Queue()
        self.is_away = False

    async def publish(self, _channel: str, payload: str) -> None:
        self.published.append(payload)

    async def ping(self) -> None:
        if self.is_away:
            raise redis.exceptions.ConnectionError

    async def changes(self) -> AsyncIterator[list[int] | None]:
        while True:
            yield await self.hints.get()


class Index:
    """Highest modseqs of mailboxes, and the questions that were asked for them."""

    def __init__(self) -> None:
        self.modseqs: dict[int, int] = {}
        self.asked: list[list[int]] = []

    async def __call__(self, mailbox_ids: list[int]) -> dict[int, int]:
        self.asked.append(mailbox_ids)
        return {each: self.modseqs[each] for each in mailbox_ids if each in self.modseqs}


def with_hub(scenario: Callable[[Hub, Redis], Coroutine[Any, Any, None]], index: Index | None = None) -> None:
    async def run() -> None:
        redis = Redis()
        hub = Hub(redis, redis.changes, index or Index())  # type: ignore[arg-type]
        hub.start()
        try:
            await scenario(hub, redis)
        finally:
            await hub.stop()

    asyncio.run(run())


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_a_hint_reaches_the_sessions_of_that_mailbox() -> None:
    async def scenario(hub: Hub, redis: Redis) -> None:
        one, two, other = Session(), Session(), Session()
        hub.watch(1, one)
        hub.watch(1, two)
        hub.watch(2, other)

        redis.hints.put_nowait([1, 7])
        await turns()

        assert (one.heard, two.heard, other.heard) == (1, 1, 0)

    with_hub(scenario)


def test_after_a_gap_everybody_looks() -> None:
    async def scenario(hub: Hub, redis: Redis) -> None:
        one, gone = Session(), Session()
        hub.watch(1, one)
        hub.watch(2, gone)
        hub.unwatch(2, gone)

        redis.hints.put_nowait(None)
        await turns()

        assert (one.heard, gone.heard) == (1, 0)

    with_hub(scenario)


def test_a_change_of_this_process_is_heard_here_at_once_but_not_by_its_author() -> None:
    async def scenario(hub: Hub, redis: Redis) -> None:
        author, other = Session(), Session()
        hub.watch(1, author)
        hub.watch(1, other)

        hub.announce([1], origin=author)
        hub.announce([1, 2], origin=author)

        assert (author.heard, other.heard) == (0, 2)
        await asyncio.sleep(0.02)
        assert redis.published == ["1,2"], "both together"

    with_hub(scenario)


def test_without_redis_one_question_tells_which_of_all_mailboxes_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "CHECK_REDIS_S", 0.0)
    monkeypatch.setattr(notifications, "LOOK_WITHOUT_REDIS_S", 0.0)
    index = Index()
    index.modseqs = {1: 10, 2: 20, 3: 30}

    async def scenario(hub: Hub, redis: Redis) -> None:
        changed, quiet, deleted = Session(), Session(), Session()
        for number, session in enumerate((changed, quiet, deleted), start=1):
            hub.watch(number, session)
        redis.is_away = True
        await turns()
        assert (changed.heard, quiet.heard, deleted.heard) == (1, 1, 1), "a hint may have been lost before"

        index.modseqs[1] = 11
        del index.modseqs[3]
        await turns()
        await turns()

        assert (changed.heard, quiet.heard, deleted.heard) == (2, 1, 2)
        assert set(map(tuple, index.asked)) == {(1, 2, 3)}

    with_hub(scenario, index)


def test_with_redis_nobody_asks_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "CHECK_REDIS_S", 0.0)
    index = Index()

    async def scenario(hub: Hub, redis: Redis) -> None:
        hub.watch(1, Session())
        await turns()

    with_hub(scenario, index)

    assert index.asked == []


class HastyRedis(Redis):
    """Takes a cancellation for its own time limit, as the real client does when both come together."""

    async def publish(self, _channel: str, payload: str) -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise redis.exceptions.TimeoutError from None


def test_it_stops_although_a_cancellation_was_lost_in_the_client() -> None:
    """A process that is told to end just then must end."""

    async def run() -> None:
        client = HastyRedis()
        hub = Hub(client, client.changes, Index())  # type: ignore[arg-type]
        hub.start()
        hub.announce([1])
        await turns()
        await asyncio.wait_for(hub.stop(), 5)

    asyncio.run(run())
