"""Group commit: who waits becomes the next batch, and one bad message takes nobody with it."""

import asyncio
from datetime import UTC, datetime

import psycopg
import pytest

from mailcore.delivery.batch import Arrival
from mailcore.envelope import Envelope
from mailcore.errors import CommitInDoubt, OverQuota
from smtpd.group_commit import GroupCommit


def an_arrival(name):
    envelope = Envelope(None, ())
    return Arrival(name, envelope, b"x", 0, 1, "", datetime.now(UTC), "", "", (), ())


class Disk:
    """Takes batches; each waits until it is let go."""

    def __init__(self):
        self.batches = []
        self.gate = asyncio.Event()
        self.fail = {}

    async def deliver(self, arrivals):
        names = [arrival.queue_id for arrival in arrivals]
        self.batches.append(names)
        await self.gate.wait()
        for name in names:
            if isinstance(self.fail.get(name), psycopg.Error | CommitInDoubt):
                raise self.fail[name]
        return [self.fail.get(name, []) for name in names]


async def submitted(commit, names):
    tasks = [asyncio.create_task(commit.submit(an_arrival(name))) for name in names]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def test_what_waits_becomes_the_next_batch():
    async def run():
        disk = Disk()
        commit = GroupCommit(disk.deliver)
        first = await submitted(commit, "a")
        others = await submitted(commit, "bcd")
        disk.gate.set()
        await asyncio.gather(*first, *others)
        return disk.batches

    assert asyncio.run(run()) == [["a"], ["b", "c", "d"]]


def test_a_batch_has_a_limit():
    async def run():
        disk = Disk()
        commit = GroupCommit(disk.deliver, max_batch=2)
        disk.gate.set()
        await asyncio.gather(*(commit.submit(an_arrival(name)) for name in "abcde"))
        return disk.batches

    assert [len(batch) for batch in asyncio.run(run())] == [2, 2, 1]


def test_a_message_right_after_the_last_answer_is_not_forgotten():
    async def run():
        disk = Disk()
        disk.gate.set()
        commit = GroupCommit(disk.deliver)
        await commit.submit(an_arrival("a"))
        async with asyncio.timeout(1):
            await commit.submit(an_arrival("b"))
        return disk.batches

    assert asyncio.run(run()) == [["a"], ["b"]]


def test_one_refused_message_does_not_touch_the_others():
    async def run():
        disk = Disk()
        disk.fail = {"b": OverQuota("b@example.org", 1)}
        disk.gate.set()
        commit = GroupCommit(disk.deliver)
        return await asyncio.gather(*(commit.submit(an_arrival(name)) for name in "abc"), return_exceptions=True)

    a, b, c = asyncio.run(run())
    assert (a, c) == ([], [])
    assert isinstance(b, OverQuota)


def test_a_message_the_database_cannot_take_is_found_and_fails_alone():
    async def run():
        disk = Disk()
        disk.fail = {"b": psycopg.DataError("b is odd")}
        disk.gate.set()
        commit = GroupCommit(disk.deliver)
        results = await asyncio.gather(*(commit.submit(an_arrival(name)) for name in "abc"), return_exceptions=True)
        return results, disk.batches

    (a, b, c), batches = asyncio.run(run())
    assert (a, c) == ([], [])
    assert isinstance(b, psycopg.DataError)
    assert batches == [["a", "b", "c"], ["a"], ["b"], ["c"]]


@pytest.mark.parametrize("error", [psycopg.OperationalError("away"), CommitInDoubt("it died")])
def test_who_cannot_take_anything_or_may_have_is_asked_once_for_all(error):
    async def run():
        disk = Disk()
        disk.fail = {"a": error}
        disk.gate.set()
        commit = GroupCommit(disk.deliver)
        results = await asyncio.gather(*(commit.submit(an_arrival(name)) for name in "abc"), return_exceptions=True)
        return results, disk.batches

    results, batches = asyncio.run(run())
    assert results == [error] * 3
    assert len(batches) == 1


def test_a_cancelled_session_does_not_disturb_the_batch():
    async def run():
        disk = Disk()
        commit = GroupCommit(disk.deliver)
        first, second = await submitted(commit, "ab")
        first.cancel()
        await asyncio.sleep(0)
        disk.gate.set()
        await commit.drain()
        with pytest.raises(asyncio.CancelledError):
            await first
        return await second

    assert asyncio.run(run()) == []
