"""The scheduler's decisions, with a hand-over that is watched."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import psycopg
import pytest
import redis
from kombu.exceptions import OperationalError

from mailadmin.celery import QUEUE
from mailadmin.mailqueue import scheduler as scheduling
from mailadmin.mailqueue.scheduler import Scheduler, Wakeups
from mailadmin.mailqueue.worker import RedisHints
from mailcore.events import publish
from mailcore.queue import claiming, leases
from mailcore.reply import Reply
from tests.fakes.queue_world import QueueWorld
from tests.fixtures_servers import choose_free_port, wait_until


class WatchedHandOver:
    """Keeps what was handed over; a broker that is down when told so."""

    def __init__(self) -> None:
        self.leases: list[UUID] = []
        self.sweeps = 0
        self.indexings = 0
        self.recoveries = 0
        self.is_down = False

    def deliver(self, lease: UUID) -> None:
        if self.is_down:
            raise OperationalError("connection refused")
        self.leases.append(lease)

    def sweep(self) -> None:
        self.sweeps += 1

    def index(self) -> None:
        self.indexings += 1
        if self.is_down:
            raise OperationalError("connection refused")

    def recover(self) -> None:
        self.recoveries += 1
        if self.is_down:
            raise OperationalError("connection refused")


@pytest.fixture
def world(django_database: str, mail_home: Path) -> Iterator[QueueWorld]:
    world = QueueWorld(django_database, mail_home)
    yield world
    world.close()


@pytest.fixture
def hand_over() -> WatchedHandOver:
    return WatchedHandOver()


@pytest.fixture
def make_scheduler(world: QueueWorld, redis_url: str, hand_over: WatchedHandOver) -> Iterator[Callable[..., Scheduler]]:
    made: list[Scheduler] = []

    def make(url: str = redis_url, workers: int = 4) -> Scheduler:
        made.append(Scheduler(world.url, Wakeups(url), hand_over, workers=workers))
        return made[-1]

    yield make
    for scheduler in made:
        scheduler._close()


def states(world: QueueWorld) -> list[str]:
    return [row["state"] for row in world.rows()]


def test_what_is_due_is_handed_over_once(world, make_scheduler, hand_over):
    world.enqueue("a@one.test", "b@two.test", "alice@here.test")
    scheduler = make_scheduler()

    assert scheduler.tick() == 3
    assert scheduler.tick() == 0
    assert set(hand_over.leases) == {row["lease"] for row in world.rows()}


def test_a_broker_that_is_down_costs_nothing_but_time(world, make_scheduler, hand_over, monkeypatch):
    monkeypatch.setattr(scheduling, "RETRY_S", 0.01)
    world.enqueue("a@one.test", "b@two.test")
    scheduler = make_scheduler()
    hand_over.is_down = True

    assert scheduler.tick() == 0
    assert states(world) == ["waiting", "waiting"]

    hand_over.is_down = False
    assert scheduler.tick() == 2


def test_a_destination_that_is_served_keeps_what_comes_for_a_moment(world, make_scheduler, monkeypatch):
    monkeypatch.setattr(scheduling, "PATIENCE_S", 0.5)
    scheduler = make_scheduler()
    world.enqueue("a@busy.test")
    assert scheduler.tick() == 1

    world.enqueue("b@busy.test", "a@other.test")
    assert scheduler.tick() == 1, "the other destination waits for nobody"
    assert {row["address"]: row["state"] for row in world.rows()}["b@busy.test"] == "waiting"
    wait_until(scheduler.tick, seconds=5, what="nobody came for it")

    assert states(world) == ["leased"] * 3


def test_a_backlog_for_a_destination_that_is_served_gets_another_worker(world, make_scheduler, monkeypatch):
    monkeypatch.setattr(scheduling, "PATIENCE_S", 60)
    monkeypatch.setattr(claiming, "BATCH_SIZE", 3)
    scheduler = make_scheduler()
    world.enqueue("a@busy.test")
    assert scheduler.tick() == 1

    world.enqueue(*(f"user{number}@busy.test" for number in range(5)))

    assert scheduler.tick() == 1 and states(world).count("leased") == 4


def test_one_next_hop_gets_no_more_leases_than_the_workers_can_hold(world, make_scheduler, monkeypatch):
    monkeypatch.setattr(claiming, "BATCH_SIZE", 1)
    for number in range(10):
        world.enqueue(f"user{number}@busy.test")
    world.enqueue("a@other.test")

    assert make_scheduler(workers=2).tick() == 2 + scheduling.AHEAD + 1


def test_the_workers_of_all_nodes_count(world, make_scheduler, monkeypatch):
    monkeypatch.setattr(claiming, "BATCH_SIZE", 1)
    for number in range(10):
        world.enqueue(f"user{number}@busy.test")
    with psycopg.connect(world.url, autocommit=True) as conn:
        for node, age in (("one", "0 s"), ("two", "1 s"), ("gone", "1 min")):
            conn.execute(
                "INSERT INTO process_status (role, number, host, pid, started_at, generation, listening, seen_at)"
                " VALUES ('worker', 0, %s, 7, now(), 1, '{}', now() - %s::interval)",
                (node, age),
            )

    assert make_scheduler(workers=2).tick() == 2 * 2 + scheduling.AHEAD


def test_the_concurrency_of_a_destination_is_kept_also_by_a_new_scheduler(world, make_scheduler, monkeypatch):
    monkeypatch.setattr(claiming, "BATCH_SIZE", 1)
    world.settings(destination_concurrency_limit=2)
    for number in range(5):
        world.enqueue(f"user{number}@busy.test")
    first = make_scheduler()
    assert first.tick() == 2
    first._close()

    second = make_scheduler()
    wait_until(lambda: (second.tick(), second._in_charge)[1], what="the second has taken over")
    assert states(world).count("leased") == 2
    leases.give_back(world.conn, next(row["lease"] for row in world.rows() if row["lease"]))
    assert wait_for_tick(second) == 1


def wait_for_tick(scheduler: Scheduler) -> int:
    """The lock of the scheduler before may be held for another moment."""
    counts: list[int] = []
    wait_until(lambda: counts.append(scheduler.tick()) or counts[-1], seconds=5)
    return counts[-1]


def test_a_next_hop_that_does_not_answer_is_tried_by_one_worker(world, make_scheduler, redis_url, monkeypatch):
    monkeypatch.setattr(claiming, "BATCH_SIZE", 2)
    for number in range(9):
        world.enqueue(f"user{number}@dead.test")
    hints = RedisHints(redis_url)
    hints.hop_answered("|dead.test:25|may", Reply(451, "4.4.1", "refused"))

    assert make_scheduler().tick() == 1
    assert states(world) == ["leased"] * 9


def test_a_hop_that_answers_again_is_no_longer_marked(redis_url):
    hints, wakeups = RedisHints(redis_url), Wakeups(redis_url)

    hints.hop_answered("hop", Reply(451, "4.4.1", "refused"))
    assert wakeups.unreachable("hop")
    hints.hop_answered("hop", None)
    assert not wakeups.unreachable("hop")
    hints.hop_answered("hop", Reply(556, "5.1.10", "null MX"))
    assert not wakeups.unreachable("hop")


def test_leases_whose_tasks_the_broker_has_lost_are_given_back_soon(world, make_scheduler, monkeypatch):
    monkeypatch.setattr(scheduling, "LOST_AFTER_S", 0.05)
    world.enqueue("a@one.test")
    scheduler = make_scheduler()
    scheduler.tick()

    wait_until(lambda: scheduler.tick(), seconds=5, what="claimed again although nothing was in the broker")


def test_a_lease_that_waits_in_the_broker_is_not_taken_for_lost(world, make_scheduler, redis_url, monkeypatch):
    monkeypatch.setattr(scheduling, "LOST_AFTER_S", 0.05)
    world.enqueue("a@one.test")
    scheduler = make_scheduler()
    with redis.Redis.from_url(redis_url) as broker:
        broker.lpush(QUEUE, "a task")
        scheduler.tick()
        for _ in range(10):
            time.sleep(0.03)
            assert scheduler.tick() == 0


def test_a_second_scheduler_stands_by(world, make_scheduler):
    first, second = make_scheduler(), make_scheduler()
    first.tick()
    world.enqueue("a@one.test")

    assert second.tick() == 0
    first._close()
    assert wait_for_tick(second) == 1


def test_without_redis_it_looks_every_second(world, make_scheduler, hand_over):
    scheduler = make_scheduler(url=f"redis://127.0.0.1:{choose_free_port()}/0")
    world.enqueue("a@one.test")
    stopped = iter([False, True])

    scheduler.run(lambda: next(stopped))

    assert len(hand_over.leases) == 1


def test_an_event_wakes_it(redis_url):
    wakeups = Wakeups(redis_url)
    wakeups.wait(5)  # subscribes
    with publish.connect(redis_url) as client:
        publish.queue_wakeup(client)
    began = time.monotonic()

    wakeups.wait(5)

    assert time.monotonic() - began < 2
    wakeups.close()


def test_the_spool_is_swept_from_time_to_time(make_scheduler, hand_over):
    scheduler = make_scheduler()

    scheduler.tick()
    scheduler.tick()

    assert hand_over.sweeps == 1


def test_the_search_index_catches_up_from_time_to_time(make_scheduler, hand_over):
    scheduler = make_scheduler()
    hand_over.is_down = True

    scheduler.tick()
    scheduler.tick()

    assert hand_over.indexings == 1


def test_journals_of_the_dead_are_looked_for_from_time_to_time(make_scheduler, hand_over):
    scheduler = make_scheduler()
    hand_over.is_down = True

    scheduler.tick()
    scheduler.tick()

    assert hand_over.recoveries == 1
