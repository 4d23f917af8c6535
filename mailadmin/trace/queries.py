"""The message trace as data: search and timeline. The panel's pages and the API's JSON both stand on this.

Functions over a psycopg connection that only read. A cursor is opaque text; it names the last row of a page.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import psycopg
from psycopg.rows import dict_row

from mailadmin.trace import statements
from mailadmin.trace.criteria import Criteria, checked, conditions

Connection = psycopg.Connection[Any]
PAGE = 50
MAX_EVENTS = 2000


class CursorInvalid(ValueError):
    """The cursor did not come from us."""


@dataclass(frozen=True, slots=True)
class TracedEvent:
    """One row of trace_event."""

    id: int
    at: datetime
    kind: str
    queue_id: str
    session_id: str
    client_address: str | None
    client_name: str
    sender: str
    recipient: str
    message_id: str
    size: int | None
    rule: str
    reply: str
    relay: str
    tls: str
    delay_s: float | None
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class TracedMessage:
    """One line of a search: a message, or mail that was refused before it became one (`queue_id` is empty)."""

    event: TracedEvent
    first_at: datetime
    last_at: datetime
    sender: str
    recipients: tuple[str, ...]
    recipient_count: int
    message_id: str
    size: int | None
    client_address: str | None
    state: str
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def queue_id(self) -> str:
        return self.event.queue_id


@dataclass(frozen=True, slots=True)
class TracePage:
    """A page of a search; `next_cursor` is None on the last one."""

    messages: tuple[TracedMessage, ...]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Timeline:
    """The life of one message, or of one session, in order; `cut` when there was too much to show."""

    key: str
    events: tuple[TracedEvent, ...]
    summary: TracedMessage | None = None
    report_of: str = ""
    cut: bool = False


def search(conn: Connection, criteria: Criteria, *, cursor: str | None = None, limit: int = PAGE) -> TracePage:
    """The newest messages that meet the criteria. Raises ValueError (the field's name) and CursorInvalid."""
    after = read_cursor(cursor) if cursor else None
    statement, parameters = _search_statement(checked(criteria), after)
    parameters |= {"limit": limit + 1}
    events = _events(conn, statement, parameters)
    page = events[:limit]
    summaries = _summaries(conn, [event.queue_id for event in page if event.queue_id])
    messages = tuple(_traced(event, summaries.get(event.queue_id)) for event in page)
    more = len(events) > limit
    return TracePage(messages, write_cursor(page[-1]) if more else None)


def timeline(conn: Connection, queue_id: str) -> Timeline | None:
    """Everything that happened to a message, what its client did before, and which report belongs to it."""
    own = _events(conn, statements.OF_MESSAGE, {"queue_id": queue_id, "limit": MAX_EVENTS + 1})
    if not own:
        return None
    accepted = next((event for event in own if event.kind == "accepted"), None)
    before = _before(conn, accepted) if accepted is not None else []
    report_of = conn.execute(statements.REPORT_OF, {"queue_id": queue_id, "first_at": own[0].at}).fetchone()
    summary = _traced(own[-1], _summaries(conn, [queue_id]).get(queue_id))
    events = tuple(_once_per_message([*before, *own[:MAX_EVENTS]]))
    return Timeline(queue_id, events, summary, report_of[0] if report_of else "", len(own) > MAX_EVENTS)


def session_timeline(conn: Connection, session_id: str) -> Timeline | None:
    """Everything one client did in one connection: for mail that was refused, this is all there is."""
    events = _events(conn, statements.OF_SESSION, {"session_id": session_id, "limit": MAX_EVENTS + 1})
    if not events:
        return None
    return Timeline(session_id, tuple(_once_per_message(events[:MAX_EVENTS])), cut=len(events) > MAX_EVENTS)


def write_cursor(event: TracedEvent) -> str:
    """The place after this event."""
    return base64.urlsafe_b64encode(f"{event.at.isoformat()}|{event.id}".encode()).decode()


def read_cursor(cursor: str) -> tuple[datetime, int]:
    """Raises CursorInvalid."""
    try:
        at, _, number = base64.urlsafe_b64decode(cursor.encode()).decode().partition("|")
        place = datetime.fromisoformat(at), int(number)
    except (ValueError, binascii.Error, UnicodeError) as error:
        raise CursorInvalid(cursor) from error
    if place[0].tzinfo is None or not 0 <= place[1] < 1 << 63:
        raise CursorInvalid(cursor)
    return place


def _search_statement(criteria: Criteria, after: tuple[datetime, int] | None) -> tuple[str, dict[str, Any]]:
    wanted = conditions(criteria)
    parameters: dict[str, Any] = dict(zip(("after_at", "after_id"), after, strict=True)) if after else {}
    for condition in wanted:
        parameters |= condition.parameters
    range_e, range_n = "", ""
    for name, sign in (("since", ">="), ("until", "<")):
        if getattr(criteria, name) is not None:
            parameters[name] = getattr(criteria, name)
            range_e += f" AND e.at {sign} %({name})s"
            range_n += f" AND n.at {sign} %({name})s"
    first = wanted[0] if wanted else None
    also = "".join(
        f" AND ({rest.on('e')} OR (e.queue_id <> '' AND EXISTS (SELECT 1 FROM trace_event x"
        f" WHERE x.queue_id = e.queue_id AND x.queue_id <> '' AND {rest.on('x')})))"
        for rest in wanted[1:]
    )
    statement = statements.SEARCH.format(
        after=statements.AFTER if after else "",
        found=first.on("e") if first else "true",
        newer=first.on("n") if first else "true",
        range=range_e,
        newer_range=range_n,
        also=also,
    )
    return statement, parameters


def _events(conn: Connection, statement: str, parameters: Mapping[str, Any]) -> list[TracedEvent]:
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statement, parameters).fetchall()
    return [TracedEvent(**{**row, "detail": _document(row["detail"])}) for row in rows]


def _document(value: Any) -> dict[str, Any]:
    # Django tells its connections to leave jsonb as text; psycopg's own connections read it.
    return dict(json.loads(value) if isinstance(value, str) else value)


def _summaries(conn: Connection, queue_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    if not queue_ids:
        return {}
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(statements.SUMMARIES, {"queue_ids": list(queue_ids)}).fetchall()
    return {row["queue_id"]: row for row in rows}


def _traced(event: TracedEvent, summary: dict[str, Any] | None) -> TracedMessage:
    if summary is None:
        recipients = (event.recipient,) if event.recipient else ()
        return TracedMessage(
            event, event.at, event.at, event.sender, recipients, len(recipients), event.message_id, event.size,
            event.client_address, event.kind,
        )  # fmt: skip
    recipients = tuple(summary["recipients"] or ())
    return TracedMessage(
        event=event,
        first_at=summary["first_at"],
        last_at=summary["last_at"],
        sender=summary["sender"] or "",
        recipients=recipients,
        recipient_count=max(summary["recipient_count"], len(recipients)),
        message_id=summary["message_id"] or "",
        size=summary["size"],
        client_address=summary["client_address"],
        state=_state(summary),
        counts={kind: summary[kind] for kind in ("delivered", "relayed", "deferred", "bounced")},
    )


def _state(summary: Mapping[str, Any]) -> str:
    """One word for what became of a message, the most worrying first."""
    if summary["queued"]:
        return "deferred" if summary["deferred"] else "queued"
    for kind in ("deleted", "bounced", "relayed", "delivered"):
        if summary[kind]:
            return kind
    return "accepted" if summary["accepted"] else "seen"


def _before(conn: Connection, accepted: TracedEvent) -> list[TracedEvent]:
    return _events(
        conn,
        statements.BEFORE_MESSAGE,
        {
            "session_id": accepted.session_id,
            "queue_id": accepted.queue_id,
            "accepted_at": accepted.at,
            "limit": MAX_EVENTS,
        },
    )


def _once_per_message(events: Sequence[TracedEvent]) -> list[TracedEvent]:
    """An accepted message has a row per recipient, so that each can be found; it was accepted once."""
    seen: set[str] = set()
    kept = []
    for event in events:
        if event.kind == "accepted":
            if event.queue_id in seen:
                continue
            seen.add(event.queue_id)
        kept.append(event)
    return kept
