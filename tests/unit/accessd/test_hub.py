"""Hints: who hears of a change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

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

    async def publish(self, _channel: str, payload: str) -> None:
        self.published.append(payload)

    async def ping(self) -> None:
        return None

    async def changes(self) -> AsyncIterator[list[int] | None]:
        while True:
            yield await self.hints.get()


def with_hub(scenario: Callable[[Hub, Redis], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        redis = Redis()
        hub = Hub(redis, redis.changes)  # type: ignore[arg-type]
        hub.start()
        try:
            await scenario(hub, redis)
        finally:
            await hub.stop()

    asyncio.run(run())


async def turns() -> None:
    for _ in range(5):
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
