"""Hints: who hears of a change."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
import redis.exceptions

from accessd import notifications
from accessd.notifications import Hub
from mailcore.events.publish import ACCOUNT_CHANNEL, MAILBOX_CHANNEL
from mailcore.events.subscribe import Hint


class Session:
    def __init__(self) -> None:
        self.heard = 0

    def notify(self) -> None:
        self.heard += 1

    def notify_account(self) -> None:
        self.heard += 1


class Redis:
    """What a Hub needs of Redis, in memory."""

    def __init__(self) -> None:
        self.published: list[str] = []
        self.channels: list[str] = []
        self.hints: asyncio.Queue[Hint | None] = asyncio.Queue()
        self.is_away = False

    async def publish(self, channel: str, payload: str) -> None:
        self.channels.append(channel)
        self.published.append(payload)

    async def ping(self) -> None:
        if self.is_away:
            raise redis.exceptions.ConnectionError

    async def changes(self) -> AsyncIterator[Hint | None]:
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

        redis.hints.put_nowait(Hint(MAILBOX_CHANNEL, [1, 7]))
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


class Accounts:
    """What lists of mailboxes show."""

    def __init__(self) -> None:
        self.states: dict[int, str] = {}

    async def __call__(self, account_ids: list[int]) -> dict[int, str]:
        return {each: self.states[each] for each in account_ids}


def test_an_account_and_a_mailbox_of_the_same_number_are_two_things() -> None:
    async def scenario(hub: Hub, redis: Redis) -> None:
        selected, following, gone = Session(), Session(), Session()
        hub.watch(1, selected)
        hub.watch_account(1, following)
        hub.watch_account(1, gone)
        hub.unwatch_account(1, gone)

        redis.hints.put_nowait(Hint(ACCOUNT_CHANNEL, [1]))
        await turns()

        assert (selected.heard, following.heard, gone.heard) == (0, 1, 0)

    with_hub(scenario)


def test_a_change_of_an_account_is_heard_here_at_once_and_published_on_its_channel() -> None:
    async def scenario(hub: Hub, redis: Redis) -> None:
        author, other = Session(), Session()
        hub.watch_account(5, author)
        hub.watch_account(5, other)

        hub.announce_accounts([5], origin=author)

        assert (author.heard, other.heard) == (0, 1)
        await asyncio.sleep(0.02)
        assert (redis.channels, redis.published) == ([ACCOUNT_CHANNEL], ["5"])

    with_hub(scenario)


def test_after_a_gap_who_follows_an_account_looks_too() -> None:
    async def scenario(hub: Hub, redis: Redis) -> None:
        following = Session()
        hub.watch_account(1, following)

        redis.hints.put_nowait(None)
        await turns()

        assert following.heard == 1

    with_hub(scenario)


def test_without_redis_a_look_finds_accounts_that_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notifications, "CHECK_REDIS_S", 0.0)
    monkeypatch.setattr(notifications, "LOOK_WITHOUT_REDIS_S", 0.0)

    async def run() -> None:
        redis, accounts = Redis(), Accounts()
        accounts.states = {1: "a", 2: "b"}
        hub = Hub(redis, redis.changes, Index(), accounts)  # type: ignore[arg-type]
        hub.start()
        changed, quiet = Session(), Session()
        hub.watch_account(1, changed)
        hub.watch_account(2, quiet)
        redis.is_away = True
        await turns()
        assert (changed.heard, quiet.heard) == (1, 1), "a hint may have been lost before"

        accounts.states[1] = "c"
        await turns()
        await turns()

        assert (changed.heard, quiet.heard) == (2, 1)
        await hub.stop()

    asyncio.run(run())


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
