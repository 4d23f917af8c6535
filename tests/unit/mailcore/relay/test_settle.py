"""From outcomes to what is written down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from mailcore.address import Address
from mailcore.dsn.decide import Action
from mailcore.envelope import Envelope, Recipient
from mailcore.outcome import Deferred, Delivered, Failed, Outcome
from mailcore.queue.records import LeasedMessage, LeasedRecipient
from mailcore.queue.schedule import Schedule
from mailcore.relay.settle import Circumstances, Settlement, settle
from mailcore.reply import Reply

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
RELAY = "mx.there.test[192.0.2.1]:25"


def rcpt(name: str, *notify: str) -> Recipient:
    address = Address.parse(f"{name}@there.test")
    return Recipient(address, address, frozenset(notify))


def settled(*outcomes: Outcome, age_s: float = 60, warned: bool = False, queued: int = 0, **given) -> Settlement:
    recipients = tuple(LeasedRecipient(n, outcome.recipient, 0) for n, outcome in enumerate(outcomes, 1))
    message = LeasedMessage(
        id=7,
        queue_id="4abcDEF12345",
        envelope=Envelope(Address.parse("alice@here.test"), tuple(o.recipient for o in outcomes)),
        size=100,
        content_offset=0,
        received_at=NOW - timedelta(seconds=age_s),
        expires_at=NOW - timedelta(seconds=age_s) + timedelta(days=5),
        message_id="",
        client="",
        account="",
        delay_warned=warned,
        recipients=recipients,
        recipients_in_queue=queued or len(recipients),
    )
    return settle(message, recipients, outcomes, Circumstances(Schedule(), NOW, **given))


def test_each_outcome_goes_its_way():
    settlement = settled(
        Delivered(rcpt("a"), RELAY, Reply(250, "", "ok"), "TLSv1.3"),
        Deferred(rcpt("b"), RELAY, Reply(450, "4.2.0", "later")),
        Failed(rcpt("c"), RELAY, Reply(550, "5.1.1", "no")),
        rule="relayhost",
    )

    assert (settlement.delivered, settlement.failed) == ([1], [3])
    (deferral,) = settlement.deferred
    assert (deferral.id, deferral.reply) == (2, "450 4.2.0 later")
    assert deferral.next_attempt_at == NOW + timedelta(seconds=300)
    assert [event.kind for event in settlement.events] == ["relayed", "deferred", "bounced"]
    assert settlement.events[0].tls == "TLSv1.3" and settlement.events[0].rule == "relayhost"
    assert list(settlement.reported) == [Action.FAILED]


def test_the_quick_way_is_only_for_messages_of_which_nothing_is_left():
    delivered = Delivered(rcpt("a"), RELAY, Reply(250, "", "ok"))
    wanted = Delivered(rcpt("a", "SUCCESS"), RELAY, Reply(250, "", "ok"))

    assert settled(delivered).all_delivered
    assert not settled(delivered, queued=2).all_delivered
    assert not settled(wanted).all_delivered
    assert settled(wanted, reports_itself=True).all_delivered


def test_a_deferral_after_the_time_of_expiry_is_a_failure():
    settlement = settled(Deferred(rcpt("a"), RELAY, Reply(450, "4.2.0", "later")), age_s=5 * 86400)

    assert settlement.failed == [1] and not settlement.deferred
    assert settlement.reported[Action.FAILED][0].reply.text == "later"


def test_a_delay_is_told_once():
    deferred = Deferred(rcpt("a"), RELAY, Reply(450, "4.2.0", "later"))

    assert settled(deferred, age_s=14_400).warned
    assert not settled(deferred, age_s=14_399).warned
    assert not settled(deferred, age_s=14_400, warned=True).warned


def test_local_delivery_is_told_as_delivered():
    settlement = settled(Delivered(rcpt("a", "SUCCESS"), "local", Reply(250, "2.0.0", "in the mailbox")))

    assert list(settlement.reported) == [Action.DELIVERED]
    assert settlement.events[0].kind == "delivered"
