"""Claiming and looking after the queue, on PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from mailcore.clock import FakeClock, SystemClock
from mailcore.queue import claiming, lease_contents, leases, operations, outcomes, statements
from mailcore.queue.records import Deferral, Results
from mailcore.queue.summary import summarise
from tests.fakes.queue_world import QueueWorld, to_recipient
from tests.fixtures_servers import wait_until


@pytest.fixture
def world(django_database: str, mail_home: Path) -> Iterator[QueueWorld]:
    world = QueueWorld(django_database, mail_home)
    yield world
    world.close()


def by_domain(address: str, _: str) -> str:
    return address.partition("@")[2]


def claim(world: QueueWorld, room: int = 100, size: int = 100, conn: psycopg.Connection | None = None):
    now = SystemClock().now()
    return claiming.claim_due(conn or world.conn, now, by_domain, lambda _: room, batch_size=lambda _: size).leases


def test_a_whole_envelope_survives_the_queue(world):
    wishes = to_recipient("Bob.B@There.Test", notify=frozenset({"DELAY", "FAILURE"}), orcpt="rfc822;x@y")
    queue_id = world.enqueue(
        wishes, "jörg@bücher.test", sender="alice@here.test", ret="HDRS", envid="e 1", smtputf8=True, body_8bit=True
    )
    claim(world)

    messages = [
        message
        for lease in leases.open_leases(world.conn)
        for message in lease_contents.load(world.conn, lease.lease, SystemClock().now())
    ]

    envelope = messages[0].envelope
    assert {message.queue_id for message in messages} == {queue_id}
    assert (envelope.ret, envelope.envid, envelope.smtputf8, envelope.body_8bit) == ("HDRS", "e 1", True, True)
    assert {r for message in messages for r in message.envelope.recipients} == {
        wishes,
        to_recipient("jörg@bücher.test"),
    }
    assert {row["destination"] for row in world.rows()} == {"there.test", "xn--bcher-kva.test"}


def test_an_overlong_or_nul_message_id_does_not_keep_mail_from_being_queued(world):
    wishes = to_recipient("b@there.test", orcpt="rfc822;" + "x" * 600)
    world.enqueue(wishes, envid="e" * 200)

    assert len(world.row()["orcpt"]) == 500


def test_recipients_are_grouped_by_next_hop(world):
    world.enqueue("a@one.test", "b@two.test", "c@one.test")

    assert sorted((lease.hop_key, lease.recipients) for lease in claim(world)) == [("one.test", 2), ("two.test", 1)]


def test_a_lease_has_at_most_so_many_recipients_and_a_hop_so_many_leases(world):
    world.enqueue(*(f"user{n}@one.test" for n in range(25)))

    assert [lease.recipients for lease in claim(world, room=2, size=10)] == [10, 10]
    assert [lease.recipients for lease in claim(world, room=2, size=10)] == [5]


def test_a_full_destination_does_not_hide_the_others(world, monkeypatch):
    monkeypatch.setattr(claiming, "_ROWS", 10)
    world.enqueue(*(f"user{n}@busy.test" for n in range(25)), age_s=100)
    world.enqueue("a@free.test")

    claim = claiming.claim_due(world.conn, SystemClock().now(), by_domain, lambda key: 0 if key == "busy.test" else 5)

    assert [lease.hop_key for lease in claim.leases] == ["free.test"] and not claim.is_all


def test_two_schedulers_never_claim_the_same(world):
    world.enqueue(*(f"user{n}@one.test" for n in range(20)))
    with psycopg.connect(world.url, autocommit=True) as other, other.transaction():
        first = claim(world, size=5, room=2, conn=other)
        # What the first one takes is locked: passed over, not waited for.
        meanwhile = claim(world, size=5)
    afterwards = claim(world, size=5)

    assert [lease.recipients for lease in first] == [lease.recipients for lease in meanwhile] == [5, 5]
    assert afterwards == []
    assert len({row["lease"] for row in world.rows()}) == 4


def test_a_small_batch_is_left_to_whoever_is_expected_to_come_for_it(world):
    world.enqueue("a@one.test", "b@two.test", "c@two.test")
    asked: list[str] = []

    claim = claiming.claim_due(
        world.conn,
        SystemClock().now(),
        by_domain,
        lambda _: 5,
        batch_size=lambda _: 2,
        may_wait=lambda key, since: asked.append(key) or since <= SystemClock().now(),
    )

    assert [lease.hop_key for lease in claim] == ["two.test"] and not claim.is_all, "a full batch does not wait"
    assert asked == ["one.test"]


def test_what_was_changed_since_the_look_is_not_claimed(world, monkeypatch):
    world.enqueue("a@one.test", "b@two.test")

    def meanwhile(key: str) -> int:
        if key == "one.test":
            operations.hold(world.conn, recipient_ids=[world.rows()[0]["id"]])
        return 5

    claim = claiming.claim_due(world.conn, SystemClock().now(), by_domain, meanwhile)

    assert [lease.hop_key for lease in claim] == ["two.test"]
    assert [row["state"] for row in world.rows()] == ["held", "leased"]


def buffers(world: QueueWorld, statement: str, meant: dict[str, object]) -> int:
    """How many pages of the database a statement looks at."""
    with world.conn.transaction(force_rollback=True):
        ((plan,),) = world.conn.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", meant).fetchall()
    return int(plan[0]["Plan"]["Shared Hit Blocks"] + plan[0]["Plan"]["Shared Read Blocks"])


def test_what_waits_in_the_queue_costs_nothing(world):
    """20,000 deferred recipients of 500 domains stand there; claiming, topping up and recording look past them."""
    world.conn.execute(FILL, {"count": 20_000, "domains": 500})
    world.conn.execute("ANALYZE queue_message, queue_recipient")
    world.enqueue(*(f"user{n}@one.test" for n in range(10)))
    row_ids = [row["id"] for row in world.rows()[-10:]]
    now, lease = SystemClock().now(), uuid.uuid4()
    until = now + timedelta(minutes=1)

    looks = {
        "look": (statements.SELECT_DUE, {"now": now, "full": [], "row_limit": 1000, "with_sender": True}),
        "leases": (statements.SELECT_LEASES, {}),
        "reclaim": (statements.RECLAIM_ENDED, {"now": now}),
        "take": (statements.TAKE_LEASE, {"ids": row_ids, "leases": [lease] * 10, "until": until, "now": now}),
        "top up": (
            statements.TOP_UP,
            {"lease": lease, "destinations": ["one.test", "d7.test"], "now": now, "until": until, "row_limit": 100},
        ),
        "begin": (statements.BEGIN_LEASE, {"lease": lease, "now": now, "until": until}),
        "load": (statements.SELECT_LEASED, {"lease": lease, "now": now}),
        "renew": (statements.RENEW_LEASE, {"lease": lease, "now": now, "until": until}),
        "give back": (statements.RETURN_LEASE, {"lease": lease, "begun": 1}),
        "give some back": (statements.RETURN_SOME, {"lease": lease, "ids": row_ids}),
        "park": (statements.PARK, {"lease": lease, "most": 5, "reply": ""}),
        "finish": (statements.FINISH_DELIVERED, {"ids": row_ids, "message_ids": [world.rows()[-1]["message_id"]]}),
    }
    pages = {name: buffers(world, *look) for name, look in looks.items()}

    with_work = {name: pages.pop(name) for name in ("look", "take", "top up", "finish")}
    assert max(pages.values()) < 10, f"nothing is to be done, and yet {pages}"
    assert max(with_work.values()) < 40 * len(row_ids), with_work


FILL = """
WITH m AS (
    INSERT INTO queue_message (queue_id, sender, size, content_offset, received_at, expires_at, ret, envid, smtputf8,
                               body_8bit, message_id, client, account, delay_warned)
    SELECT 'waits' || n, 'a@here.test', 1000, 0, now() - interval '1 hour', now() + interval '1 day', '', '', false,
           false, '', '', '', false
    FROM generate_series(1, %(count)s) AS n
    RETURNING id
)
INSERT INTO queue_recipient (message_id, address, original, notify, orcpt, destination, state, next_attempt_at,
                             attempts, last_relay, last_reply)
SELECT id, 'u' || id || '@x.test', 'u' || id || '@x.test', '', '', 'd' || id %% %(domains)s || '.test', 'waiting',
       now() + interval '1 hour', 1, 'none', '451 4.4.1 later'
FROM m
"""


def test_an_ended_lease_makes_its_recipients_due_again(world):
    world.enqueue("a@one.test")
    (lease,) = claim(world)
    later = SystemClock().now() + timedelta(seconds=leases.HANDOVER_S + 1)

    assert leases.reclaim_ended(world.conn, SystemClock().now()) == 0
    assert leases.reclaim_ended(world.conn, later) == 1
    assert lease_contents.load(world.conn, lease.lease, SystemClock().now()) == []
    assert not leases.renew(world.conn, lease.lease, SystemClock().now())
    assert len(claim(world)) == 1


def test_a_renewed_lease_lasts_longer(world):
    world.enqueue("a@one.test")
    (lease,) = claim(world)
    clock = FakeClock(SystemClock().now())

    clock.advance(leases.HANDOVER_S - 1)
    assert leases.renew(world.conn, lease.lease, clock.now())
    clock.advance(leases.LEASE_S - 1)

    assert leases.reclaim_ended(world.conn, clock.now()) == 0


def test_only_one_connection_can_take_up_a_lease(world):
    world.enqueue("a@one.test")
    (lease,) = claim(world)
    with psycopg.connect(world.url, autocommit=True) as other:
        assert leases.take_up(other, lease.lease)
        assert not leases.take_up(world.conn, lease.lease)

    # The other connection is gone, as that of a killed worker is; the server needs a moment to notice.
    wait_until(lambda: leases.take_up(world.conn, lease.lease), seconds=5)


def test_hold_keeps_mail_and_release_lets_it_go(world):
    world.enqueue("a@one.test", "b@one.test")
    first, second = (row["id"] for row in world.rows())

    assert operations.hold(world.conn, recipient_ids=[first], recorder=world.events, by="admin") == 1
    assert [lease.recipients for lease in claim(world)] == [1]
    assert operations.retry_now(world.conn, recipient_ids=[first]) == 0
    assert operations.release(world.conn, recipient_ids=[first, second]) == 1
    assert [lease.recipients for lease in claim(world)] == [1]
    assert [(event.kind, event.action, event.by) for event in world.events.all] == [("queue_action", "hold", "admin")]


def test_mail_held_while_it_is_tried_stays_held_when_it_is_deferred(world):
    world.enqueue("a@one.test")
    (lease,) = claim(world)
    row = world.row()
    operations.hold(world.conn, message_ids=[row["message_id"]])

    deferral = Deferral(row["id"], SystemClock().now(), "mx", "451 later")
    outcomes.record(world.conn, lease.lease, Results([row["message_id"]], deferred=[deferral]), SystemClock().now())

    assert world.row()["state"] == "held" and world.row()["attempts"] == 0


def test_deleting_the_last_recipient_deletes_the_message(world):
    world.enqueue("a@one.test", "b@one.test")
    first, second = world.rows()

    assert operations.delete(world.conn, recipient_ids=[first["id"]]) == 1
    assert len(world.rows("queue_message")) == 1
    assert operations.delete(world.conn, recipient_ids=[second["id"]]) == 1
    assert world.rows("queue_message") == []


def test_actions_take_part_in_the_callers_transaction(world):
    world.enqueue("a@one.test")

    with world.conn.transaction(force_rollback=True):
        operations.delete(world.conn, message_ids=[world.row()["message_id"]])

    assert len(world.rows()) == 1


def test_the_summary_counts_by_state_and_destination(world):
    assert summarise(world.conn).oldest is None
    world.enqueue("a@one.test", "b@one.test", "c@two.test")
    operations.hold(world.conn, recipient_ids=[world.rows()[0]["id"]])

    summary = summarise(world.conn)

    assert (summary.messages, summary.recipients) == (1, 3)
    assert summary.by_state == {"held": 1, "waiting": 2}
    assert [(d.destination, d.recipients, d.held) for d in summary.destinations] == [
        ("one.test", 2, 1),
        ("two.test", 1, 0),
    ]
    assert summary.bytes == world.rows("queue_message")[0]["size"]


def test_messages_without_recipients_are_swept_after_an_hour(world):
    world.enqueue("a@one.test", age_s=3700)
    world.enqueue("b@one.test")
    world.conn.execute("DELETE FROM queue_recipient")

    assert operations.remove_empty(world.conn) == 1
    assert len(world.rows("queue_message")) == 1
