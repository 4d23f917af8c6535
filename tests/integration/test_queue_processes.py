"""Scheduler and Celery worker as processes, and what they survive: nothing is lost, nothing is sent twice."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis

from mailadmin.appliance.embedded import EmbeddedValkey
from mailcore.events import publish
from tests.fakes.queue_processes import QueueProcesses
from tests.fakes.queue_world import QueueWorld
from tests.fakes.smtp_sink import Script, Sink
from tests.fixtures_servers import choose_free_port, wait_until

pytestmark = pytest.mark.timeout(180)


@pytest.fixture
def world(django_database: str, mail_home: Path) -> Iterator[QueueWorld]:
    world = QueueWorld(django_database, mail_home)
    yield world
    world.close()


@pytest.fixture
def processes(world: QueueWorld, redis_url: str) -> Iterator[QueueProcesses]:
    processes = QueueProcesses(world.url, redis_url, world.home)
    processes.start("worker")
    processes.start("scheduler")
    wait_until(lambda: roles(world) == {"scheduler", "worker"}, seconds=30, what="both report themselves")
    yield processes
    processes.close()


def roles(world: QueueWorld) -> set[str]:
    return {row[0] for row in world.conn.execute("SELECT role FROM process_status")}


def traced(world: QueueWorld) -> set[str]:
    return {row[0] for row in world.conn.execute("SELECT DISTINCT kind FROM trace_event")}


def enqueue(world: QueueWorld, count: int, prefix: str = "user") -> set[str]:
    addresses = {f"{prefix}{number}@there.test" for number in range(count)}
    for address in sorted(addresses):
        world.enqueue(address)
    return addresses


def recipients(sink: Sink) -> Counter[str]:
    return Counter(address for message in sink.received for address in message.recipients)


def test_mail_goes_out_at_once_and_bounces_come_in(world, processes, redis_url):
    script = Script(rcpt=lambda address: "550 5.1.1 no" if address.startswith("bad") else "250 ok")
    with Sink(script) as sink, publish.connect(redis_url) as client:
        world.relayhost(sink.port)
        world.enqueue("good@there.test")
        publish.queue_wakeup(client)
        wait_until(lambda: sink.received, seconds=2)

        world.enqueue("bad@there.test")
        publish.queue_wakeup(client)
        wait_until(world.inbox, seconds=3)
        wait_until(lambda: not world.rows("queue_message"), seconds=3)

    maillog = world.home / "log" / "maillog"
    wait_until(lambda: maillog.exists() and "status=bounced" in maillog.read_text(), what="the maillog has the bounce")
    expected = {"relayed", "bounced", "report", "delivered", "removed"}
    wait_until(lambda: traced(world) >= expected, what="the trace has all of it")


def test_the_broker_is_emptied_while_tasks_wait(world, processes, redis_url):
    entered, go_on = threading.Event(), threading.Event()

    def slowly(_: bytes) -> str:
        entered.set()
        go_on.wait(30)
        return "250 ok"

    with Sink(Script(end_of_data=slowly)) as sink, redis.Redis.from_url(redis_url) as client:
        world.relayhost(sink.port)
        expected = enqueue(world, 300)
        assert entered.wait(10)

        client.flushall()
        go_on.set()
        wait_until(lambda: not world.rows("queue_message"), seconds=40)

    assert recipients(sink) == Counter(expected)


def test_the_broker_dies_under_the_worker_and_comes_back_empty(world, tmp_path):
    valkey = EmbeddedValkey(tmp_path / "valkey", choose_free_port(), "password", durable=False)
    valkey.initialise()
    processes = QueueProcesses(world.url, valkey.url(), world.home)

    def start() -> subprocess.Popen[bytes]:
        server = subprocess.Popen(valkey.command(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(valkey.answers)
        return server

    server = start()
    try:
        processes.start("worker")
        processes.start("scheduler")
        wait_until(lambda: roles(world) == {"scheduler", "worker"}, seconds=30)
        with Sink() as sink:
            world.relayhost(sink.port)
            enqueue(world, 1, "before")
            # Until the worker has hung up it looks for more by itself, broker or not.
            wait_until(lambda: "QUIT" in sink.commands, seconds=10)
            server.kill()
            server.wait()

            expected = enqueue(world, 10, "while")
            time.sleep(2)  # time to notice
            assert len(world.rows("queue_message")) == 10
            server = start()
            wait_until(lambda: not world.rows("queue_message"), seconds=60)

        assert recipients(sink) == Counter(expected | {"before0@there.test"})
    finally:
        processes.close()
        server.kill()
        server.wait()


def test_a_pool_process_is_killed_in_the_middle_of_a_message(world, processes):
    entered, go_on = threading.Event(), threading.Event()

    def once_slowly(_: bytes) -> str:
        if not entered.is_set():
            entered.set()
            go_on.wait(10)
        return "250 ok"

    with Sink(Script(end_of_data=once_slowly)) as sink:
        world.relayhost(sink.port)
        expected = enqueue(world, 20)
        assert entered.wait(10)
        for pid in processes.children("worker"):
            os.kill(pid, signal.SIGKILL)
        go_on.set()
        wait_until(lambda: not world.rows("queue_message"), seconds=60)

    seen = recipients(sink)
    assert set(seen) == expected
    # The one whose acceptance nobody could write down may have come twice, no other.
    assert sum(seen.values()) <= len(expected) + 1


def test_worker_and_scheduler_are_killed_and_started_again(world, processes):
    entered = threading.Event()

    def count(_: bytes) -> str:
        if len(sink.received) == 30:
            entered.set()
        return "250 ok"

    with Sink(Script(end_of_data=count)) as sink:
        world.relayhost(sink.port)
        expected = enqueue(world, 200)
        assert entered.wait(20)
        processes.kill("worker")
        processes.kill("scheduler")
        # Nobody is left who could hold a lease: no need to wait until it ends by itself (test_queue_leases.py).
        world.conn.execute("UPDATE queue_recipient SET lease_until = now() WHERE state = 'leased'")
        processes.start("worker")
        processes.start("scheduler")
        wait_until(lambda: not world.rows("queue_message"), seconds=90)

    seen = recipients(sink)
    assert set(seen) == expected
    assert sum(seen.values()) <= len(expected) + 2, "what each pool process was killed over"


def test_the_database_throws_everybody_out(world, processes):
    def now_and_then(_: bytes) -> str:
        if len(sink.received) in (20, 60):
            with psycopg.connect(world.url, autocommit=True) as conn:
                conn.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'mailkeep%'"
                )
        return "250 ok"

    with Sink(Script(end_of_data=now_and_then)) as sink:
        world.relayhost(sink.port)
        expected = enqueue(world, 100)
        wait_until(lambda: not world.rows("queue_message"), seconds=90)

    assert recipients(sink) == Counter(expected), "nothing lost, nothing twice"


def test_a_worker_that_is_told_to_end_does_so_soon_and_loses_nothing(world, processes):
    began = threading.Event()

    def slowly(_: bytes) -> str:
        began.set()
        time.sleep(0.3)
        return "250 ok"

    with Sink(Script(end_of_data=slowly)) as sink:
        world.relayhost(sink.port)
        expected = enqueue(world, 50)
        assert began.wait(10)
        assert processes.stop("worker") == 0
        assert len(sink.received) < 50
        sink.script.end_of_data = "250 ok"
        processes.start("worker")
        wait_until(lambda: not world.rows("queue_message"), seconds=40)

    assert recipients(sink) == Counter(expected), "nothing lost, nothing twice"


def test_both_end_cleanly(world, processes):
    assert processes.stop("scheduler") == 0
    assert processes.stop("worker") == 0

    wait_until(lambda: roles(world) == set(), seconds=5)
    assert "Traceback" not in processes.output("worker") + processes.output("scheduler")
