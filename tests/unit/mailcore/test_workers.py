"""Threads for an event loop's blocking calls."""

import asyncio
import threading

import pytest

from mailcore.workers import Workers


@pytest.fixture
def workers():
    workers = Workers(2, "worker")
    yield workers
    workers.close()


def test_results_and_errors_come_out(workers):
    async def scenario():
        assert await workers.call(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            await workers.call(lambda: 1 // 0)
        assert await workers.call(lambda: 8) == 8

    asyncio.run(scenario())


def test_of_idle_threads_the_one_that_worked_last_is_taken(workers):
    both = threading.Barrier(2)

    async def scenario():
        def meet():
            both.wait(5)
            return threading.get_ident()

        assert len(set(await asyncio.gather(workers.call(meet), workers.call(meet)))) == 2
        begun = threading.Event()
        go_on = threading.Event()

        def last():
            begun.set()
            go_on.wait(5)
            return threading.get_ident()

        waiting = workers.call(last)
        await workers.call(lambda: begun.wait(5))
        go_on.set()
        worked_last = await waiting
        # The thread becomes idle behind its answer.
        await asyncio.to_thread(until, lambda: len(workers._idle) == 2)
        assert await workers.call(threading.get_ident) == worked_last

    asyncio.run(scenario())


def until(condition):
    for _ in range(1000):
        if condition():
            return
        threading.Event().wait(0.005)
    raise AssertionError("it did not come true")


def test_more_calls_than_threads_wait_in_order(workers):
    made = []
    gate = threading.Event()

    async def scenario():
        first = [workers.call(lambda: gate.wait(5)) for _ in range(2)]
        rest = [workers.call(lambda n=n: made.append(n)) for n in range(5)]
        assert not made
        gate.set()
        await asyncio.gather(*first, *rest)

    asyncio.run(scenario())
    assert sorted(made) == [0, 1, 2, 3, 4]
    assert len(workers._threads) == 2


def test_a_call_that_is_cancelled_before_it_begins_is_not_made(workers):
    made = []
    gate = threading.Event()

    async def scenario():
        first = [workers.call(lambda: gate.wait(5)) for _ in range(2)]
        dropped, kept = workers.call(lambda: made.append("dropped")), workers.call(lambda: made.append("kept"))
        dropped.cancel()
        gate.set()
        await asyncio.gather(*first, kept)

    asyncio.run(scenario())
    assert made == ["kept"]


def test_a_cancelled_caller_leaves_the_thread_to_others(workers):
    gate = threading.Event()

    async def scenario():
        running = asyncio.ensure_future(workers.call(lambda: gate.wait(5)))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        gate.set()
        assert await workers.call(lambda: 1) == 1

    asyncio.run(scenario())


def test_close_finishes_what_runs_and_cancels_what_waits():
    workers = Workers(1, "worker")
    begun, gate, made = threading.Event(), threading.Event(), []

    async def scenario():
        def work():
            begun.set()
            gate.wait(5)
            made.append("running")

        running, waiting = workers.call(work), workers.call(lambda: made.append("waiting"))
        await asyncio.to_thread(begun.wait, 5)
        closing = asyncio.create_task(asyncio.to_thread(workers.close))
        await asyncio.to_thread(until, lambda: workers._is_closed)
        gate.set()
        await closing
        await running
        with pytest.raises(asyncio.CancelledError):
            await waiting
        with pytest.raises(RuntimeError):
            workers.call(lambda: made.append("late"))

    asyncio.run(scenario())
    assert made == ["running"]
    assert not workers._threads[0].is_alive()
