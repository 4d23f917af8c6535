"""A message that kills workers, or meets an error of ours each time it is touched: a bounded number of attempts, then
it is parked with a reason, and everything else flows.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from mailadmin.appliance.management.commands.mailq import as_json, queued_messages
from mailadmin.directory.models import Account
from mailcore.clock import FakeClock, SystemClock
from mailcore.queue import lease_contents, leases, operations
from mailcore.queue.records import ClaimedLease
from mailcore.queue.spool import Spool
from mailcore.queue.states import MOST_UNFINISHED
from mailcore.relay import hops, jobs, recording, reports, run
from tests.fakes.queue_processes import QueueProcesses
from tests.fakes.queue_world import QueueWorld
from tests.fakes.smtp_sink import Script, Sink
from tests.fixtures_servers import wait_until

pytestmark = pytest.mark.timeout(180)

HEALTHY = [f"user{number}@there.test" for number in range(20)]
POISON = "poison@there.test"
BODY = b"X-Number: %b\nX-Fault: %b\n\nHello.\n"


class ParserFailed(Exception):
    """What nobody expects."""


@pytest.fixture
def world(django_database: str, mail_home: Path) -> Iterator[QueueWorld]:
    world = QueueWorld(django_database, mail_home)
    yield world
    world.close()


def arrived(sink: Sink) -> Counter[str]:
    return Counter(address for message in sink.received for address in message.recipients)


def run_in_child(world: QueueWorld, lease: ClaimedLease, clock: FakeClock) -> int:
    """As a Celery pool process does. Returns its exit status."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            run.run_lease(world.worker(clock=clock), lease.lease)
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def play(world: QueueWorld, clock: FakeClock, work: Callable[[ClaimedLease], object], rounds: int) -> None:
    """What the scheduler does, for as long as something moves."""
    for _ in range(rounds):
        for lease in world.claim(clock):
            work(lease)
        clock.advance(leases.LEASE_S + 4000)
        leases.reclaim_ended(world.conn, clock.now())


def assert_only_poison_is_parked(world: QueueWorld, queue_id: str) -> None:
    row = world.row()
    assert (row["address"], row["state"], row["lease"]) == (POISON, "held", None)
    assert row["last_reply"] == leases.PARKED
    assert world.spool_files() == [queue_id]


def test_a_message_that_kills_workers_is_alone_after_the_first_and_parked_after_the_fifth(world, monkeypatch, record):
    clock, deaths = FakeClock(SystemClock().now()), []
    poison = [world.enqueue(address, clock=clock) for address in [*HEALTHY[:10], POISON, *HEALTHY[10:]]][10]
    real_open = Spool.open

    def open_or_die(spool: Spool, queue_id: str, offset: int = 0) -> Any:
        if queue_id == poison:
            os._exit(139)
        return real_open(spool, queue_id, offset)

    monkeypatch.setattr(Spool, "open", open_or_die)
    with Sink() as sink:
        world.relayhost(sink.port)
        play(world, clock, lambda lease: deaths.append(run_in_child(world, lease, clock)), rounds=MOST_UNFINISHED + 3)

    assert deaths.count(139) == MOST_UNFINISHED
    assert set(arrived(sink)) == set(HEALTHY)
    assert arrived(sink).total() <= len(HEALTHY) + 1, "only the message before it was not written down yet"
    assert_only_poison_is_parked(world, poison)

    operations.release(world.conn, message_ids=[world.row()["message_id"]])
    monkeypatch.setattr(Spool, "open", real_open)
    with Sink() as sink:
        world.settings(relayhost=None)
        world.relayhost(sink.port)
        play(world, clock, lambda lease: run_in_child(world, lease, clock), rounds=1)
    assert arrived(sink) == {POISON: 1}, "released, it is tried like any other"
    assert world.rows() == []
    record(6, "a message that kills workers", workers_killed=deaths.count(139), others_delivered=len(HEALTHY))


def break_opening(monkeypatch: pytest.MonkeyPatch, poison: str) -> None:
    real = Spool.open

    def broken(spool: Spool, queue_id: str, offset: int = 0) -> Any:
        if queue_id == poison:
            raise ParserFailed
        return real(spool, queue_id, offset)

    monkeypatch.setattr(Spool, "open", broken)


def break_reading(monkeypatch: pytest.MonkeyPatch, poison: str) -> None:
    real = jobs.outgoing

    def broken(job: Any, content: Any) -> Any:
        if job.message.queue_id == poison:
            raise RecursionError
        return real(job, content)

    monkeypatch.setattr(jobs, "outgoing", broken)


def break_settling(monkeypatch: pytest.MonkeyPatch, poison: str) -> None:
    real = recording.settle

    def broken(message: Any, recipients: Any, outcomes: Any, given: Any) -> Any:
        if message.queue_id == poison and not given.is_our_mistake:
            raise ParserFailed
        return real(message, recipients, outcomes, given)

    monkeypatch.setattr(recording, "settle", broken)


def break_routing(monkeypatch: pytest.MonkeyPatch, poison: str) -> None:
    real = hops.hop_of

    def broken(address: Any, sender: Any, snapshot: Any) -> Any:
        if str(address) == POISON:
            raise ParserFailed
        return real(address, sender, snapshot)

    monkeypatch.setattr(hops, "hop_of", broken)
    monkeypatch.setattr(jobs, "hop_of", broken)


def break_loading(monkeypatch: pytest.MonkeyPatch, poison: str) -> None:
    real = lease_contents._recipient

    def broken(row: Any) -> Any:
        if row.address == POISON:
            raise ParserFailed
        return real(row)

    monkeypatch.setattr(lease_contents, "_recipient", broken)


@pytest.mark.parametrize("fault", [break_opening, break_reading, break_settling, break_routing, break_loading])
def test_an_error_of_ours_is_met_a_bounded_number_of_times(world, monkeypatch, fault):
    clock = FakeClock(SystemClock().now())
    poison = [world.enqueue(address, clock=clock) for address in [*HEALTHY[:10], POISON, *HEALTHY[10:]]][10]
    fault(monkeypatch, poison)

    def work(lease: ClaimedLease) -> None:
        with contextlib.suppress(ParserFailed):  # Celery logs it
            run.run_lease(world.worker(clock=clock), lease.lease)

    with Sink() as sink:
        world.relayhost(sink.port)
        play(world, clock, work, rounds=MOST_UNFINISHED + 3)

    assert {address: count for address, count in arrived(sink).items() if address != POISON} == dict.fromkeys(
        HEALTHY, 1
    )
    assert_only_poison_is_parked(world, poison)
    assert [event.queue_id for event in world.events.all if event.kind == "queue_action"] == [poison]


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_the_same_for_mailboxes_here(world, monkeypatch, store):
    Account.objects.filter(pk=world.alice.pk).update(store=store)
    world.settings(delay_warning_time=0)
    clock = FakeClock(SystemClock().now())
    numbers = [b"%d" % number for number in range(5)] + [b"poison"] + [b"%d" % number for number in range(5, 10)]
    poison = [
        world.enqueue("alice@here.test", sender="x@there.test", clock=clock, content=BODY % (number, b""))
        for number in numbers
    ][5]
    real = Spool.path

    def broken(spool: Spool, queue_id: str) -> Any:
        if queue_id == poison:
            raise ParserFailed
        return real(spool, queue_id)

    monkeypatch.setattr(Spool, "path", broken)
    play(world, clock, lambda lease: run.run_lease(world.worker(clock=clock), lease.lease), rounds=MOST_UNFINISHED + 3)

    (row,) = world.rows()
    assert (row["state"], row["last_reply"]) == ("held", leases.PARKED)
    counted = world.conn.execute("SELECT messages FROM mailbox WHERE name = 'INBOX'").fetchone()
    assert counted == (10,)


def test_a_report_that_cannot_be_made_keeps_its_message_and_nothing_else(world, monkeypatch):
    clock = FakeClock(SystemClock().now())
    poison = [world.enqueue(address, clock=clock) for address in [*HEALTHY[:3], POISON, *HEALTHY[3:]]][3]

    def broken(*_: Any) -> bytes:
        raise ParserFailed

    monkeypatch.setattr(reports, "build_report", broken)

    with Sink(Script(rcpt=lambda argument: "550 5.1.1 no" if POISON in argument else "250 ok")) as sink:
        world.relayhost(sink.port)
        play(world, clock, lambda lease: run.run_lease(world.worker(clock=clock), lease.lease), MOST_UNFINISHED + 3)

    assert arrived(sink) == dict.fromkeys(HEALTHY, 1)
    assert_only_poison_is_parked(world, poison)


class FaultyProcesses(QueueProcesses):
    """The worker is tests/reliability/faulty_worker.py."""

    def command(self, name: str) -> list[str]:
        command = super().command(name)
        if name == "worker":
            start = command.index("celery") - 1
            command[start : start + 2] = [str(Path(__file__).with_name("faulty_worker.py")), "1"]
        return command


def test_workers_that_die_and_hang_do_not_stop_the_queue(world, redis_url, record):
    """Celery's own processes, the scheduler, the kernel's alarm: nothing in between is imitated."""
    faults = [b"exit", b"hang", b"exit"]
    processes = FaultyProcesses(world.url, redis_url, world.home)
    with Sink() as sink:
        world.relayhost(sink.port)
        for number, address in enumerate(HEALTHY):
            world.enqueue(address)
            if number % 6 == 2 and faults:
                world.enqueue(f"poison{number}@there.test", content=BODY % (b"%d" % number, faults.pop()))
        begun = time.monotonic()
        processes.start("worker")
        processes.start("scheduler")
        try:
            wait_until(lambda: set(arrived(sink)) == set(HEALTHY), seconds=60, what="the healthy arrive")
            healthy_s = time.monotonic() - begun
            wait_until(lambda: {row["state"] for row in world.rows()} == {"held"}, seconds=90, what="poison is parked")
        finally:
            processes.close()

    assert len(world.rows()) == 3
    assert {row["last_reply"] for row in world.rows()} == {leases.PARKED}
    assert {row["unfinished_attempts"] for row in world.rows()} == {MOST_UNFINISHED + 1}
    listed = [as_json(message) for message in queued_messages()]
    assert {(each["queue_name"], each["recipients"][0]["delay_reason"]) for each in listed} == {("hold", leases.PARKED)}
    record(
        6,
        "workers that die and hang",
        healthy_delivered_s=round(healthy_s, 1),
        parked_after_s=round(time.monotonic() - begun, 1),
    )


def test_what_is_parked_is_seen_in_the_panel(world, client: Client):
    world.enqueue(POISON)
    for _ in range(MOST_UNFINISHED + 1):
        (lease,) = world.claim()
        leases.begin(world.conn, lease.lease, SystemClock().now())
        world.conn.execute("UPDATE queue_recipient SET lease_until = now() WHERE state = 'leased'")
        leases.reclaim_ended(world.conn, SystemClock().now())
    Account.objects.filter(pk=world.alice.pk).update(is_staff=True, is_superuser=True)
    client.force_login(Account.objects.get(pk=world.alice.pk))

    page = client.get("/admin/mailqueue/queuerecipient/").content.decode()

    assert "on hold" in page and "attempts at this message ended with an error of this mail server" in page


def test_mailq_shows_why(world):
    world.enqueue(POISON)
    world.conn.execute("UPDATE queue_recipient SET state = 'held', last_reply = %s", [leases.PARKED])

    (line,) = subprocess.run(
        [sys.executable, "manage.py", "mailq", "-j"],
        env={**os.environ, "DATABASE_URL": world.url, "MAIL_HOME": str(world.home)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()

    assert json.loads(line)["queue_name"] == "hold"
    assert json.loads(line)["recipients"][0]["delay_reason"] == leases.PARKED
