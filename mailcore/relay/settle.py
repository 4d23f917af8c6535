"""From the outcomes of one attempt to what is written down: rows, reports and events. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from mailcore.dsn.decide import Action, is_due
from mailcore.dsn.reported import Reported
from mailcore.maillog.event import Bounced, DeferredAttempt, DeliveredLocally, Event, Relayed
from mailcore.outcome import Deferred, Delivered, Outcome
from mailcore.queue.records import Deferral, LeasedMessage, LeasedRecipient
from mailcore.queue.schedule import Schedule, is_expired
from mailcore.reply import Reply


@dataclass(slots=True)
class Settlement:
    """What one attempt at one message comes to. `reported` is what the sender is told, by action."""

    message: LeasedMessage
    delivered: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    deferred: list[Deferral] = field(default_factory=list)
    reported: dict[Action, list[Reported]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def all_delivered(self) -> bool:
        """Whether nothing is left of the message, and nobody has to be told."""
        return len(self.delivered) == self.message.recipients_in_queue and not self.reported

    @property
    def warned(self) -> bool:
        return Action.DELAYED in self.reported


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the outcomes alone do not tell."""

    schedule: Schedule
    now: datetime
    rule: str = ""
    reports_itself: bool = False
    is_our_mistake: bool = False
    store: str = "maildir"


def settle(
    message: LeasedMessage,
    recipients: Sequence[LeasedRecipient],
    outcomes: Sequence[Outcome],
    circumstances: Circumstances,
) -> Settlement:
    """`outcomes` are those of `recipients`, in their order."""
    settlement = Settlement(message)
    for leased, outcome in zip(recipients, outcomes, strict=True):
        if isinstance(outcome, Delivered):
            _delivered(settlement, leased, outcome, circumstances)
        elif isinstance(outcome, Deferred) and not is_expired(message.expires_at, circumstances.now):
            _deferred(settlement, leased, outcome, circumstances)
        else:
            _failed(settlement, leased, outcome, circumstances)
    return settlement


def without_reports(settlement: Settlement, circumstances: Circumstances, reply: Reply) -> Settlement:
    """The same when its reports cannot be written: what arrived has arrived, nobody else is given up unheard."""
    message, delivered = settlement.message, set(settlement.delivered)
    left = [leased for leased in message.recipients if leased.id in {*settlement.failed, *_deferred_ids(settlement)}]
    outcomes = [Deferred(leased.recipient, "none", reply) for leased in left]
    result = settle(replace(message, expires_at=datetime.max.replace(tzinfo=UTC)), left, outcomes, circumstances)
    result.reported.clear()
    result.delivered = [leased.id for leased in message.recipients if leased.id in delivered]
    result.events += [event for event in settlement.events if isinstance(event, DeliveredLocally | Relayed)]
    return result


def _deferred_ids(settlement: Settlement) -> list[int]:
    return [deferral.id for deferral in settlement.deferred]


def _delivered(settlement: Settlement, leased: LeasedRecipient, outcome: Delivered, given: Circumstances) -> None:
    settlement.delivered.append(leased.id)
    if outcome.relay == "local":
        settlement.events.append(_delivered_event(settlement.message, outcome, given))
        _report(settlement, Action.DELIVERED, outcome, given)
        return
    settlement.events.append(Relayed(**_event_fields(settlement.message, outcome, given)))
    if not given.reports_itself:
        _report(settlement, Action.RELAYED, outcome, given)


def _deferred(settlement: Settlement, leased: LeasedRecipient, outcome: Deferred, given: Circumstances) -> None:
    message = settlement.message
    next_at = given.schedule.next_attempt(message.received_at, given.now, message.expires_at)
    settlement.deferred.append(Deferral(leased.id, next_at, outcome.relay, str(outcome.reply), given.is_our_mistake))
    settlement.events.append(DeferredAttempt(**_event_fields(message, outcome, given), next_attempt_at=next_at))
    if not message.delay_warned and given.schedule.is_warning_due(message.received_at, given.now):
        _report(settlement, Action.DELAYED, outcome, given)


def _failed(settlement: Settlement, leased: LeasedRecipient, outcome: Outcome, given: Circumstances) -> None:
    settlement.failed.append(leased.id)
    settlement.events.append(Bounced(**_event_fields(settlement.message, outcome, given)))
    _report(settlement, Action.FAILED, outcome, given)


def _report(settlement: Settlement, action: Action, outcome: Outcome, given: Circumstances) -> None:
    if is_due(action, settlement.message.sender, outcome.recipient):
        one = Reported(action, outcome.recipient, outcome.relay, outcome.reply, given.now)
        settlement.reported.setdefault(action, []).append(one)


def _delivered_event(message: LeasedMessage, outcome: Outcome, given: Circumstances) -> Event:
    return DeliveredLocally(
        at=given.now,
        queue_id=message.queue_id,
        recipient=str(outcome.recipient.address),
        original=str(outcome.recipient.original),
        store=given.store,
        delay_s=(given.now - message.received_at).total_seconds(),
    )


def _event_fields(message: LeasedMessage, outcome: Outcome, given: Circumstances) -> dict[str, Any]:
    return {
        "at": given.now,
        "queue_id": message.queue_id,
        "recipient": str(outcome.recipient.address),
        "original": str(outcome.recipient.original),
        "sender": message.envelope.sender_text,
        "relay": outcome.relay,
        "reply": str(outcome.reply),
        "tls": outcome.tls,
        "rule": given.rule,
        "delay_s": (given.now - message.received_at).total_seconds(),
    }
