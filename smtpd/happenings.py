"""What happened in a session, as events for the maillog and the trace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from mailcore.delivery.batch import Arrival
from mailcore.errors import reason_of
from mailcore.maillog import event as ev
from mailcore.outcome import Delivered, Outcome
from mailcore.policy.context import ClientContext
from mailcore.policy.decision import Decision
from mailcore.routing.route import Routes
from smtpd.client import Client


def connected(client: Client) -> ev.Connected:
    """A connection began."""
    return ev.Connected(
        session_id=client.session_id,
        client_address=client.address,
        client_name=client.name,
        listener=client.listener,
    )


def disconnected(client: Client) -> ev.Disconnected:
    """It ended."""
    return ev.Disconnected(session_id=client.session_id, client_address=client.address, client_name=client.name)


def named(event: ev.Event, name: str) -> ev.Event:
    """The event, now that the client's name is known."""
    nameable: Any = event
    return event if getattr(event, "client_name", name) == name else replace(nameable, client_name=name)


def logged_in(client: Client, mechanism: str) -> ev.AuthOk:
    """The client is who it says."""
    return ev.AuthOk(
        session_id=client.session_id,
        client_address=client.address,
        account=client.account_address,
        protocol="smtp",
        mechanism=mechanism,
    )


def login_failed(client: Client, login: str, mechanism: str, error: Exception) -> ev.AuthFailed:
    """It is not, or we could not find out."""
    return ev.AuthFailed(
        session_id=client.session_id,
        client_address=client.address,
        client_name=client.name,
        login=login,
        protocol="smtp",
        reason=reason_of(error),
        mechanism=mechanism,
    )


def refused(
    client: Client,
    stage: str,
    decision: Decision,
    *,
    queue_id: str = "",
    sender: str = "",
    recipient: str = "",
) -> ev.Refused:
    """Something was refused, by which rule and why."""
    return ev.Refused(
        session_id=client.session_id,
        queue_id=queue_id,
        client_address=client.address,
        client_name=client.name,
        helo=client.helo,
        sender=sender,
        recipient=recipient,
        stage=stage,
        rule=decision.rule,
        reply=str(decision.reply),
        reason=decision.reason,
    )


def accepted(
    client: Client,
    context: ClientContext,
    arrival: Arrival,
    all_routes: Sequence[Routes],
    outcomes: Sequence[Outcome],
    now: datetime,
) -> Iterator[ev.Event]:
    """A message is ours: taken, expanded, and for each local recipient delivered or put off."""
    yield ev.Accepted(
        at=now,
        queue_id=arrival.queue_id,
        session_id=client.session_id,
        client_address=client.address,
        client_name=client.name,
        helo=client.helo,
        sender=arrival.envelope.sender_text,
        recipients=tuple(str(routes.address.original) for routes in all_routes),
        size=arrival.size,
        message_id=arrival.message_id,
        tls=client.tls_text,
        account=arrival.account,
        listener=client.listener,
        rule=_why_accepted(context),
    )
    for routes in all_routes:
        expanded = _expanded(routes, arrival.queue_id, now)
        if expanded is not None:
            yield expanded
    stores = {local.recipient: local.account.store for local in arrival.local}
    for outcome in outcomes:
        yield _delivered(outcome, arrival, stores.get(outcome.recipient, "maildir"), now)


def _why_accepted(context: ClientContext) -> str:
    if context.account is not None:
        return "permit_authenticated"
    return "permit_mynetworks" if context.is_trusted else "permit_destination"


def _expanded(routes: Routes, queue_id: str, now: datetime) -> ev.Expanded | None:
    """How the recipient became others, if it did."""
    original = str(routes.address.original)
    if routes.targets:
        return ev.Expanded(at=now, queue_id=queue_id, recipient=original, targets=routes.targets)
    ends = [route.account.address for route in routes.local] or [str(routes.address.address)]
    if ends == [routes.address.original.key] or ends == [original]:
        return None
    rule = "canonical" if routes.address.address != routes.address.original else "subaddress"
    return ev.Expanded(at=now, queue_id=queue_id, recipient=original, targets=tuple(ends), rule=rule)


def _delivered(outcome: Outcome, arrival: Arrival, store: str, now: datetime) -> ev.Event:
    recipient, original = str(outcome.recipient.address), str(outcome.recipient.original)
    delay_s = (now - arrival.received_at).total_seconds()
    if isinstance(outcome, Delivered):
        return ev.DeliveredLocally(
            at=now, queue_id=arrival.queue_id, recipient=recipient, original=original, store=store, delay_s=delay_s
        )
    return ev.DeferredAttempt(
        at=now,
        queue_id=arrival.queue_id,
        recipient=recipient,
        original=original,
        sender=arrival.envelope.sender_text,
        relay="local",
        reply=str(outcome.reply),
        delay_s=delay_s,
    )
