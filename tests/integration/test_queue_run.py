"""From queue rows to a server's mailbox and back as a bounce: PostgreSQL, files and sockets are real."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from django.db import close_old_connections

from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.mailqueue import tasks
from mailadmin.transport.models import RelayHost, TransportRule
from mailcore.clock import FakeClock, SystemClock
from mailcore.identity import AccountRef
from mailcore.mailbox import mailbox
from mailcore.mailbox.account import get_mailbox
from mailcore.queue import claiming, leases, operations, outcomes
from mailcore.relay.recording import MOST_GATHERED
from mailcore.relay.run import run_lease
from mailcore.store import layout
from mailcore.store.storage import Storage
from tests.fakes.dns_server import FakeDns
from tests.fakes.queue_world import BODY, QueueWorld, to_recipient
from tests.fakes.smtp_sink import HANG_UP, Script, Sink
from tests.fixtures_servers import wait_until

BOB = "bob@there.test"


@pytest.fixture
def world(django_database: str, mail_home: Path) -> Iterator[QueueWorld]:
    world = QueueWorld(django_database, mail_home)
    yield world
    world.close()


def clock_of_today() -> FakeClock:
    return FakeClock(SystemClock().now())


def part_of(message, kind: str):
    return next(part for part in message.walk() if part.get_content_type() == kind)


def test_a_relayed_message_leaves_nothing_behind(world):
    with Sink() as sink:
        world.relayhost(sink.port)
        queue_id = world.enqueue(BOB)
        world.run_due()

    assert sink.received[0].content == BODY.replace(b"\n", b"\r\n"), "Return-Path stays here"
    assert sink.received[0].mail_parameters == [f"SIZE={len(sink.received[0].content)}"]
    assert world.rows() == [] and world.rows("queue_message") == [] and world.spool_files() == []
    assert notes_of(world) == []
    assert world.events.kinds() == ["relayed", "removed"]
    event = world.events.all[0]
    assert (event.queue_id, event.recipient, event.rule) == (queue_id, BOB, "relayhost")


def test_the_trace_names_the_transport_rule(world):
    with Sink() as sink:
        relayhost = world.relayhost(sink.port)
        TransportRule.objects.create(match="there.test", relayhost=relayhost)
        TransportRule.objects.create(match="carol@there.test", relayhost=relayhost)
        world.enqueue(BOB, "carol@there.test", "dave@elsewhere.test")
        world.run_due()

    rules = {event.recipient: event.rule for event in world.events.all if event.kind == "relayed"}
    assert rules == {
        BOB: "there.test",
        "carol@there.test": "carol@there.test",
        "dave@elsewhere.test": "relayhost",
    }


def test_a_hundred_messages_use_one_connection(world):
    with Sink() as sink:
        world.relayhost(sink.port)
        for number in range(100):
            world.enqueue(f"user{number}@there.test")
        world.run_due()

    assert len(sink.received) == 100 and sink.connections == 1
    assert world.rows() == [] and world.spool_files() == []


def test_what_becomes_due_meanwhile_joins_the_lease(world):
    more = iter(["carol@there.test", "dave@there.test", "erin@elsewhere.test"])

    def while_it_is_sent(_: bytes) -> str:
        if address := next(more, ""):
            world.enqueue(address)
        return "250 ok"

    with Sink(Script(end_of_data=while_it_is_sent)) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        assert world.run_due() == 3

    assert [message.recipients for message in sink.received] == [[BOB], ["carol@there.test"], ["dave@there.test"]]
    assert sink.connections == 1 and world.spool_files() != []
    assert [row["address"] for row in world.rows()] == ["erin@elsewhere.test"], "not for a domain of this lease"


@pytest.mark.parametrize("reason", ["others wait", "begun before", "not due", "held"])
def test_what_does_not_join_the_lease(world, reason):
    def while_it_is_sent(_: bytes) -> str:
        if len(sink.received) == 0:
            world.enqueue("carol@there.test")
            change = {
                "begun before": "unfinished_attempts = 1",
                "not due": "next_attempt_at = next_attempt_at + interval '1 minute'",
                "held": "state = 'held'",
            }
            if reason in change:
                world.conn.execute(f"UPDATE queue_recipient SET {change[reason]} WHERE address LIKE 'carol%'")
        return "250 ok"

    with Sink(Script(end_of_data=while_it_is_sent)) as sink:
        world.relayhost(sink.port)
        world.hints.are_others_waiting = reason == "others wait"
        world.enqueue(BOB)
        world.run_due()

    assert [message.recipients for message in sink.received] == [[BOB]]
    assert world.row()["state"] == ("held" if reason == "held" else "waiting")


def test_mail_for_the_same_domain_that_goes_another_way_is_left_to_others(world):
    with Sink() as usual, Sink() as special:
        world.relayhost(usual.port)
        host = RelayHost.objects.create(host="127.0.0.1", port=special.port, tls="none")
        TransportRule.objects.create(match="carol@there.test", relayhost=host)
        usual.script.end_of_data = lambda _: (
            len(usual.received) == 0 and (world.enqueue("carol@there.test"), world.enqueue("dave@there.test")),
            "250 ok",
        )[1]
        world.enqueue(BOB)
        world.run_due()

        assert [message.recipients for message in usual.received] == [[BOB], ["dave@there.test"]]
        row = world.row()
        assert (row["address"], row["state"], row["unfinished_attempts"]) == ("carol@there.test", "waiting", 0)
        assert special.connections == 0
        world.run_due()
        assert len(special.received) == 1 and world.rows() == []


def test_a_changed_relayhost_ends_a_lease_that_would_go_on(world, monkeypatch):
    monkeypatch.setattr("mailcore.relay.sending.SAME_SNAPSHOT_S", 0.0)
    with Sink() as before, Sink() as after:
        world.relayhost(before.port)

        def change(_: bytes) -> str:
            if len(before.received) == 0:
                close_old_connections()
                world.relayhost(after.port)
                world.enqueue("carol@there.test")
            return "250 ok"

        before.script.end_of_data = change
        world.enqueue(BOB)
        world.run_due()
        assert len(before.received) == 1 and len(world.rows()) == 1
        world.run_due()

    assert [message.recipients for message in after.received] == [["carol@there.test"]]


def test_a_worker_never_reads_the_whole_queue(world):
    """Not even while it is empty: the plan would be kept when it is long."""

    def whole_reads() -> int:
        world.conn.execute("SELECT pg_stat_clear_snapshot()")
        query = (
            "SELECT sum(seq_scan)::int FROM pg_stat_user_tables WHERE relname IN ('queue_message', 'queue_recipient')"
        )
        return int(world.conn.execute(query).fetchone()[0])

    with Sink() as sink:
        world.relayhost(sink.port)
        for number in range(30):
            world.enqueue(f"user{number}@there.test")
        (lease,) = world.claim()
        worker = world.worker()
        worker.database.connection().execute("SELECT 1")
        world.conn.execute("SELECT pg_stat_force_next_flush()")
        before = whole_reads()
        run_lease(worker, lease.lease)
        worker.database.connection().execute("SELECT pg_stat_force_next_flush()")
        worker.database.close()

    wait_until(lambda: sessions_of(world, "test worker") == 0, what="the worker's figures are in")
    assert whole_reads() == before and len(sink.received) == 30


def sessions_of(world: QueueWorld, name: str) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database()"
    return int(world.conn.execute(query, [name]).fetchone()[0])


def test_only_a_few_accepted_messages_are_not_recorded_yet(world):
    """They are what is sent twice if the machine loses its power now."""
    unrecorded: list[int] = []

    def count(_: bytes) -> str:
        with psycopg.connect(world.url, autocommit=True) as conn:
            (left,) = conn.execute("SELECT count(*) FROM queue_recipient").fetchone()
        unrecorded.append(len(sink.received) - (100 - left))
        return "250 ok"

    with Sink(Script(end_of_data=count)) as sink:
        world.relayhost(sink.port)
        for number in range(100):
            world.enqueue(f"user{number}@there.test")
        world.run_due()

    assert max(unrecorded) <= MOST_GATHERED + 1 and world.rows() == []


class Killed(BaseException):
    """What no code of the worker's expects."""


def killed_after(world: QueueWorld, accepted: int) -> None:
    """A worker takes what is due, and is gone when that many messages are accepted and none of them is recorded."""

    def dies(*_: object) -> None:
        raise Killed

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("mailcore.relay.recording.MOST_GATHERED", accepted)
        patched.setattr("mailcore.relay.recording.GATHER_S", 1000.0)
        patched.setattr(outcomes, "record", dies)
        with pytest.raises(Killed):
            world.run_due()
    end_leases(world)


def end_leases(world: QueueWorld) -> None:
    later = clock_of_today()
    later.advance(leases.LEASE_S + 1)
    leases.reclaim_ended(world.conn, later.now())


def notes_of(world: QueueWorld) -> list[str]:
    return sorted(path.name for path in (world.home / "spool" / "accepted").glob("*"))


def test_what_a_killed_worker_had_sent_is_recorded_and_not_sent_again(world):
    """Found by kill -9: up to 21 messages came twice."""
    with Sink(Script(end_of_data="250 2.0.0 taken as 4711")) as sink:
        world.relayhost(sink.port)
        relay = f"127.0.0.1[127.0.0.1]:{sink.port}"
        addresses = [f"user{number}@there.test" for number in range(20)]
        for address in addresses:
            world.enqueue(address)
        killed_after(world, 12)
        assert len(world.rows()) == 20 and len(notes_of(world)) == 1

        world.run_due()

    assert sorted(message.recipients[0] for message in sink.received) == sorted(addresses)
    assert world.rows() == [] and world.spool_files() == []
    relayed = [event for event in world.events.all if event.kind == "relayed"]
    assert {event.reply for event in relayed} == {"250 2.0.0 taken as 4711"} and len(relayed) == 20
    assert {event.relay for event in relayed} == {relay}


def test_a_recipient_that_was_accepted_is_not_asked_for_again_beside_one_that_was_deferred(world):
    script = Script(rcpt=lambda address: "450 4.2.0 later" if address.startswith("carol") else "250 ok")
    with Sink(script) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB, "carol@there.test")
        killed_after(world, 1)

        world.run_due()

    assert [message.recipients for message in sink.received] == [[BOB]]
    assert [(row["address"], row["attempts"]) for row in world.rows()] == [("carol@there.test", 1)]


@pytest.mark.parametrize(("keywords", "reports"), [(("PIPELINING",), 1), (("PIPELINING", "DSN"), 0)])
def test_the_report_that_a_killed_worker_owed_is_sent_once(world, keywords, reports):
    """Not at all where the other host has taken that upon itself."""
    with Sink(Script(keywords=keywords)) as sink:
        world.relayhost(sink.port)
        world.enqueue(to_recipient(BOB, notify=frozenset({"SUCCESS"})), to_recipient("x@there.test"))
        killed_after(world, 1)

        world.run_until_empty()

    found = [part_of(report, "message/delivery-status").get_payload()[1]["Action"] for report in world.inbox()]
    assert found == ["relayed"] * reports
    assert len(sink.received) == 1 and world.rows() == []


def test_nobody_who_does_not_share_its_queue_id_is_taken_for_accepted(world):
    """A restored database gives the numbers of its rows a second time."""
    with Sink() as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        killed_after(world, 1)
        world.conn.execute("UPDATE queue_message SET queue_id = 'another0'")
        world.spool.adopt(BODY, "another0")
        world.run_due()

    assert len(sink.received) == 2 and world.rows() == []


def test_a_disk_that_takes_no_notes_holds_nothing_up(world):
    (world.home / "spool" / "accepted").write_text("not a folder")
    with Sink() as sink:
        world.relayhost(sink.port)
        for _ in range(3):
            world.enqueue(BOB)
        world.run_due()

    assert len(sink.received) == 3 and world.rows() == []


def test_the_sweep_takes_the_notes_of_a_worker_that_died_long_ago(world, monkeypatch):
    with Sink() as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        killed_after(world, 1)
    monkeypatch.setattr(tasks.worker, "current", world.worker)
    tasks.sweep_spool()
    (note,) = notes_of(world)
    os.utime(world.home / "spool" / "accepted" / note, (1, 1))

    tasks.sweep_spool()

    assert notes_of(world) == []


def test_outcomes_are_recorded_while_a_slow_server_thinks(world):
    seen: list[int] = []

    def slowly(_: bytes) -> str:
        if len(sink.received) == 5:
            wait_until(lambda: len(world.rows()) == 1, seconds=5, what="only the message at work is left")
            seen.append(len(world.rows()))
        return "250 ok"

    with Sink(Script(end_of_data=slowly)) as sink:
        world.relayhost(sink.port)
        for number in range(6):
            world.enqueue(f"user{number}@there.test")
        world.run_due(world.worker(time_scale=1.0))

    assert seen == [1] and world.rows() == []


def test_a_spool_file_that_cannot_be_removed_holds_nothing_up(world, monkeypatch):
    real = os.unlink

    def refused(path: str, *arguments: object, **options: object) -> None:
        if str(path).endswith(stuck):
            raise PermissionError(path)
        real(path)

    with Sink() as sink:
        world.relayhost(sink.port)
        stuck, *_ = [world.enqueue(BOB) for _ in range(30)]
        monkeypatch.setattr(os, "unlink", refused)
        world.run_due()

    assert len(sink.received) == 30 and world.rows("queue_message") == [] and world.spool_files() == [stuck]


def test_a_transaction_has_at_most_a_hundred_recipients(world):
    with Sink() as sink:
        world.relayhost(sink.port)
        world.enqueue(*(f"user{number}@there.test" for number in range(250)))
        claimed = claiming.claim_due(
            world.conn, SystemClock().now(), lambda *_: "one", lambda _: 1, batch_size=lambda _: 1000
        )
        run_lease(world.worker(), claimed.leases[0].lease)

    assert [len(message.recipients) for message in sink.received] == [100, 100, 50]
    assert world.rows() == [] and world.rows("queue_message") == [] and world.spool_files() == []


def test_a_host_that_is_down_defers_with_the_reason_visible(world, free_port):
    world.relayhost(free_port())
    world.enqueue(BOB)
    before = SystemClock().now()

    world.run_due()

    row = world.row()
    assert row["state"] == "waiting" and row["attempts"] == 1 and row["lease"] is None
    assert "451 4.4.1" in row["last_reply"] and "refused" in row["last_reply"]
    assert 299 <= (row["next_attempt_at"] - before).total_seconds() <= 305
    assert world.events.kinds() == ["deferred"] and world.inbox() == []
    assert [str(reply.code) for reply in world.hints.refusals.values()] == ["451"]


def test_a_deferred_message_is_not_due_before_its_time_and_then_arrives(world):
    clock = clock_of_today()
    with Sink(Script(rcpt="450 4.2.0 greylisted")) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB, clock=clock)
        assert world.run_due(clock=clock) == 1

        sink.script.rcpt = "250 ok"
        assert world.run_due(clock=clock) == 0
        clock.advance(301)
        assert world.run_due(clock=clock) == 1

    assert len(sink.received) == 1 and world.rows() == []


def test_retry_now_makes_it_due_at_once(world, free_port):
    world.relayhost(free_port())
    world.enqueue(BOB)
    world.run_due()
    assert world.claim() == []

    assert operations.retry_now(world.conn, recipient_ids=[world.row()["id"]]) == 1

    assert len(world.claim()) == 1


def test_a_changed_relayhost_reaches_mail_that_waits(world, free_port):
    world.relayhost(free_port())
    world.enqueue(BOB)
    world.run_due()
    with Sink() as sink:
        world.relayhost(sink.port)
        operations.retry_now(world.conn, message_ids=[world.row()["message_id"]])
        world.run_due()

    assert len(sink.received) == 1


def test_a_550_becomes_a_bounce_in_the_senders_inbox(world):
    with Sink(Script(rcpt="550 5.1.1 <bob@there.test>: no such user here")) as sink:
        world.relayhost(sink.port)
        queue_id = world.enqueue(BOB)
        world.run_until_empty()

    (bounce,) = world.inbox()
    assert bounce["To"] == "alice@here.test" and bounce["Return-Path"] == "<>"
    assert bounce["Auto-Submitted"] == "auto-replied" and bounce["In-Reply-To"] == "<1@here.test>"
    text = part_of(bounce, "text/plain").get_content()
    assert "There is no mailbox of that name" in text and "no such user here" in text
    status = part_of(bounce, "message/delivery-status").get_payload()
    assert status[1]["Action"] == "failed" and status[1]["Status"] == "5.1.1"
    assert status[1]["Final-Recipient"] == "rfc822; bob@there.test"
    assert status[1]["Diagnostic-Code"].startswith("smtp; 550 5.1.1")
    assert status[0]["X-Queue-ID"] == queue_id
    assert part_of(bounce, "message/rfc822").get_payload(0).get_content() == "Hello.\n"
    assert world.rows() == [] and world.spool_files() == []
    assert world.events.kinds() == ["bounced", "report", "removed", "delivered", "removed"]
    assert len(world.hints.mailboxes) == 1


def test_the_null_sender_never_gets_a_bounce(world):
    with Sink(Script(rcpt="550 5.1.1 no")) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB, sender="")
        world.run_until_empty()

    assert world.inbox() == [] and world.rows("queue_message") == []


def test_a_bounce_to_a_sender_elsewhere_goes_out_with_the_null_sender(world):
    script = Script(rcpt=lambda address: "550 5.1.1 no" if address == BOB else "250 ok")
    with Sink(script) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB, sender="carol@elsewhere.test")
        world.run_until_empty()

    (report,) = sink.received
    assert report.sender == "" and report.recipients == ["carol@elsewhere.test"]
    assert not report.content.startswith(b"Return-Path")


def test_a_bounce_to_an_alias_reaches_all_it_stands_for(world):
    domain = Domain.objects.get(name="here.test")
    Account.objects.create(address="dora@here.test", domain=domain, password="!")
    Alias.objects.create(address="sales@here.test", domain=domain, targets=["alice@here.test", "dora@here.test"])
    with Sink(Script(rcpt="550 5.1.1 no")) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB, sender="sales@here.test")
        world.run_until_empty()

    assert len(world.inbox("alice")) == len(world.inbox("dora")) == 1


def test_one_report_for_all_recipients_that_failed_together(world):
    with Sink(Script(rcpt=lambda a: "250 ok" if a.startswith("good") else "550 5.1.1 no")) as sink:
        world.relayhost(sink.port)
        world.enqueue("x@there.test", "good@there.test", "y@there.test")
        world.run_until_empty()

    (bounce,) = world.inbox()
    assert [group["Final-Recipient"] for group in part_of(bounce, "message/delivery-status").get_payload()[1:]] == [
        "rfc822; x@there.test",
        "rfc822; y@there.test",
    ]
    assert sink.received[0].recipients == ["good@there.test"]


def test_mail_that_waited_too_long_bounces_with_the_last_words(world):
    with Sink(Script(rcpt="451 4.2.2 mailbox full again")) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB, age_s=3600, lifetime_s=3500)
        world.run_until_empty()

    (bounce,) = world.inbox()
    status = part_of(bounce, "message/delivery-status").get_payload()[1]
    assert status["Status"] == "5.4.7" and "mailbox full again" in status["Diagnostic-Code"]


def test_the_sender_is_warned_once_of_a_delay(world, free_port):
    clock = clock_of_today()
    world.relayhost(free_port())
    world.enqueue(BOB, age_s=14_401, clock=clock)

    world.run_due(clock=clock)
    clock.advance(4100)
    world.run_due(clock=clock)
    clock.advance(4100)
    world.run_due(clock=clock)

    (warning,) = world.inbox()
    assert warning["Subject"] == "Your message has not been delivered yet"
    assert part_of(warning, "message/delivery-status").get_payload()[1]["Action"] == "delayed"
    assert part_of(warning, "text/rfc822-headers").get_content().startswith("Message-ID: <1@here.test>")
    assert len(world.rows()) == 1


def test_notify_never_and_notify_success(world):
    never = to_recipient("never@there.test", notify=frozenset({"NEVER"}))
    success = to_recipient("success@there.test", notify=frozenset({"SUCCESS"}))
    keywords = ("PIPELINING", "ENHANCEDSTATUSCODES")
    script = Script(rcpt=lambda a: "550 5.1.1 no" if a.startswith("never") else "250 ok", keywords=keywords)
    with Sink(script) as sink:
        world.relayhost(sink.port)
        world.enqueue(never, success)
        world.run_until_empty()

    (report,) = world.inbox()
    status = part_of(report, "message/delivery-status").get_payload()
    assert [group["Action"] for group in status[1:]] == ["relayed"]


def test_a_next_host_that_knows_dsn_reports_success_itself(world):
    with Sink() as sink:
        world.relayhost(sink.port)
        world.enqueue(to_recipient(BOB, notify=frozenset({"SUCCESS"})))
        world.run_until_empty()

    assert sink.received[0].rcpt_parameters == [["NOTIFY=SUCCESS", "ORCPT=rfc822;bob@there.test"]]
    assert world.inbox() == []


def test_mail_by_mx_and_by_transport_rule(world):
    zone = "there.test. 60 IN MX 10 mx.there.test.\nmx.there.test. 60 IN A 127.0.0.1\nnull.test. 60 IN MX 0 .\n"
    with Sink() as ruled, FakeDns(zone) as dns:
        host = RelayHost.objects.create(host="127.0.0.1", port=ruled.port, tls="none")
        TransportRule.objects.create(match="ruled.test", direction="recipient", relayhost=host)
        world.enqueue("a@ruled.test", "b@null.test")
        world.run_due(world.worker(dns=dns.address))

    assert [message.recipients for message in ruled.received] == [["a@ruled.test"]]
    assert "null.test. MX" in dns.questions
    bounced = next(event for event in world.events.all if event.kind == "bounced")
    assert bounced.reply.startswith("556 5.1.10")


def test_a_relay_password_is_unsealed_for_the_login(world):
    script = Script(keywords=("PIPELINING", "AUTH PLAIN"), users={"us": "secret"})
    with Sink(script) as sink:
        world.relayhost(sink.port, username="us", password="secret")
        world.enqueue(BOB)
        world.run_due()

    assert sink.received[0].user == "us"


# Local recipients


def test_a_local_recipient_in_the_queue_is_delivered(world):
    world.enqueue("alice@here.test", "alice+tag@here.test")

    world.run_due()

    assert [message.get_content() for message in world.inbox()] == ["Hello.\n", "Hello.\n"]
    assert world.rows() == [] and world.spool_files() == []


class DatabaseGone:
    """A local delivery after which the database is away, before anything was committed."""

    def __init__(self, local):
        self._local = local
        self.directory, self.lists = local.directory, local.lists

    def deliver(self, conn, *arguments, **options):
        self._local.deliver(conn, *arguments, **options)
        conn.close()
        raise psycopg.OperationalError("the server went away")


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_what_was_cut_off_before_commit_is_not_there_twice_in_the_end(world, store):
    """Found by kill -9: the file was there already, was taken for new mail, and the next attempt made another one."""
    Account.objects.filter(pk=world.alice.pk).update(store=store)
    world.enqueue("alice@here.test")
    cut_off = world.worker(local=DatabaseGone(world.worker().local))
    with pytest.raises(psycopg.OperationalError):
        world.run_due(cut_off)

    later = clock_of_today()
    later.advance(leases.LEASE_S + 1)
    leases.reclaim_ended(world.conn, later.now())
    world.run_due(clock=later)

    account = AccountRef(world.alice.pk, "alice@here.test", store, 0)
    inbox = get_mailbox(world.conn, account, "INBOX")
    mailbox.refresh(world.conn, Storage(world.home / "mail"), account, inbox)
    assert len(mailbox.rows(world.conn, inbox.id)) == 1
    assert world.rows() == [] and world.spool_files() == []


def test_an_unknown_local_recipient_bounces(world):
    world.enqueue("nobody@here.test")

    world.run_until_empty()

    (bounce,) = world.inbox()
    assert "There is no mailbox of that name" in part_of(bounce, "text/plain").get_content()


def test_a_full_mailbox_makes_mail_wait(world):
    Account.objects.filter(address="alice@here.test").update(quota_bytes=10)
    world.enqueue("alice@here.test")

    world.run_due()

    assert world.row()["last_reply"].startswith("452 4.2.2") and world.inbox() == []


def test_an_address_that_leads_elsewhere_by_now_is_followed(world):
    domain = Domain.objects.get(name="here.test")
    Alias.objects.create(address="moved@here.test", domain=domain, targets=["moved@there.test", "alice@here.test"])
    with Sink() as sink:
        world.relayhost(sink.port)
        world.enqueue("moved@here.test")
        world.run_until_empty()

    assert sink.received[0].recipients == ["moved@there.test"] and len(world.inbox()) == 1
    assert world.rows() == [] and world.spool_files() == []


# What must not go wrong


def test_a_lease_that_ended_is_not_worked_on(world):
    with Sink() as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        (lease,) = world.claim()
        later = clock_of_today()
        later.advance(leases.HANDOVER_S + 1)

        assert run_lease(world.worker(clock=later), lease.lease) == 0

    assert sink.connections == 0


def test_a_lease_given_to_two_workers_is_worked_on_once(world):
    entered, go_on = threading.Event(), threading.Event()

    def slowly(_: bytes) -> str:
        entered.set()
        go_on.wait(10)
        return "250 ok"

    with Sink(Script(end_of_data=slowly)) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        (lease,) = world.claim()
        first = threading.Thread(target=run_lease, args=(world.worker(time_scale=1.0), lease.lease))
        first.start()
        entered.wait(10)

        assert run_lease(world.worker(), lease.lease) == 0
        go_on.set()
        first.join()

    assert len(sink.received) == 1 and world.rows() == []


def test_a_worker_whose_lease_was_taken_does_not_bounce(world):
    """The failure is somebody else's to tell now: two bounces for one message would be a lie."""
    stolen: list[int] = []

    def steal(_: str) -> str:
        with psycopg.connect(world.url, autocommit=True) as conn:
            stolen.append(leases.reclaim_ended(conn, SystemClock().now().replace(year=2100)))
        return "550 5.1.1 no"

    with Sink(Script(rcpt=steal)) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        world.run_due()

    assert stolen == [1] and world.row()["state"] == "waiting"
    assert len(world.rows("queue_message")) == 1 and len(world.spool_files()) == 1


def test_a_delivery_counts_although_the_lease_was_lost(world):
    def steal(_: bytes) -> str:
        with psycopg.connect(world.url, autocommit=True) as conn:
            leases.reclaim_ended(conn, SystemClock().now().replace(year=2100))
        return "250 ok"

    with Sink(Script(end_of_data=steal)) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        world.run_due()

    assert world.rows() == [] and len(sink.received) == 1


def test_no_further_message_is_begun_after_the_lease_was_lost(world, monkeypatch):
    monkeypatch.setattr("mailcore.relay.run.RENEW_EVERY_S", 0.0)

    def steal(_: bytes) -> str:
        with psycopg.connect(world.url, autocommit=True) as conn:
            leases.reclaim_ended(conn, SystemClock().now().replace(year=2100))
        return "250 ok"

    with Sink(Script(end_of_data=steal)) as sink:
        world.relayhost(sink.port)
        for _ in range(3):
            world.enqueue(BOB)
        world.run_due()

    assert len(sink.received) == 1 and [row["state"] for row in world.rows()] == ["waiting", "waiting"]


@pytest.mark.parametrize("reason", ["too long", "told to end"])
def test_what_is_left_of_a_lease_is_given_back(world, monkeypatch, reason):
    """A slow host does not keep a worker, and a worker that is told to end does not finish a hundred messages."""
    with Sink() as sink:
        world.relayhost(sink.port)
        for _ in range(5):
            world.enqueue(BOB)
        if reason == "too long":
            monkeypatch.setattr("mailcore.relay.run.LONGEST_RUN_S", 0.5)
            sink.script.end_of_data = lambda _: (time.sleep(0.3), "250 ok")[1]
            worker = world.worker(time_scale=1.0)
        else:
            worker = world.worker(stopping=lambda: len(sink.received) >= 2)
        world.run_due(worker)

    assert len(sink.received) == 2
    assert [(row["state"], row["attempts"]) for row in world.rows()] == [("waiting", 0)] * 3


def test_the_outcome_is_recorded_although_the_database_went_away_meanwhile(world):
    def cut_off(_: bytes) -> str:
        world.conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test worker'"
        )
        return "250 ok"

    with Sink(Script(end_of_data=cut_off)) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        world.enqueue(BOB)
        world.run_due()

    assert world.rows() == [] and notes_of(world) == [], "nothing is left that could be sent a second time"
    assert len(sink.received) == 2


def test_the_last_two_recipients_finished_at_the_same_time_finish_the_message(world):
    barrier = threading.Barrier(2, timeout=10)
    with (
        Sink(Script(end_of_data=lambda _: (barrier.wait(), "250 ok")[1])) as one,
        Sink(Script(end_of_data=lambda _: (barrier.wait(), "250 ok")[1])) as two,
    ):
        for name, sink in (("one.test", one), ("two.test", two)):
            host = RelayHost.objects.create(host="127.0.0.1", port=sink.port, tls="none")
            TransportRule.objects.create(match=name, direction="recipient", relayhost=host)
        for _ in range(5):
            world.enqueue("a@one.test", "a@two.test")
        claimed = world.claim()
        assert len(claimed) == 2
        threads = [
            threading.Thread(target=run_lease, args=(world.worker(time_scale=1.0), lease.lease)) for lease in claimed
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)

    assert world.rows("queue_message") == [] and world.spool_files() == []


def test_lost_content_waits_for_somebody_to_look(world):
    with Sink() as sink:
        world.relayhost(sink.port)
        queue_id = world.enqueue(BOB)
        world.spool.discard(queue_id)
        world.run_due()

    assert "missing from the spool" in world.row()["last_reply"] and sink.received == []


def test_a_message_deleted_while_it_waits_in_a_lease_is_not_sent(world):
    with Sink() as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        (lease,) = world.claim()
        assert operations.delete(world.conn, message_ids=[world.row()["message_id"]]) == 1

        assert run_lease(world.worker(), lease.lease) == 0

    assert sink.received == [] and world.rows("queue_message") == []
    assert world.spool.sweep(lambda ids: operations.known_queue_ids(world.conn, ids), older_than_s=-1) == 1
    assert world.spool_files() == []


def test_the_sweep_takes_uploads_that_a_dead_process_left(world, monkeypatch):
    uploads = world.home / "mail" / layout.UPLOADS
    uploads.mkdir()
    for name in ("abandoned", "coming in"):
        (uploads / name).write_bytes(b"half a mess")
    os.utime(uploads / "abandoned", (1, 1))
    monkeypatch.setattr(tasks.worker, "current", world.worker)

    tasks.sweep_spool()

    assert [path.name for path in uploads.iterdir()] == ["coming in"]


def test_a_lost_connection_after_the_content_is_tried_again(world):
    """Nobody knows whether it was taken: better twice than never (RFC 5321 section 4.1.1.4, RFC 1047)."""
    with Sink(Script(end_of_data=HANG_UP)) as sink:
        world.relayhost(sink.port)
        world.enqueue(BOB)
        world.run_due()

    assert world.row()["attempts"] == 1 and "the end of data" in world.row()["last_reply"]


def test_a_hundred_deferrals_are_one_database_transaction(world, free_port):
    world.relayhost(free_port())
    for number in range(50):
        world.enqueue(f"user{number}@there.test")
    began = time.monotonic()

    world.run_due()

    changes = {row["last_attempt_at"] for row in world.rows()}
    assert len(changes) == 1 and time.monotonic() - began < 5
