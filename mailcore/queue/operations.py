"""What is done to the queue by those who put mail in and by those who look after it.

Functions over a connection. Each is one statement or opens its own database transaction, so they also work as part
of a larger one (the delivery that enqueues, Django's request). What workers do to it is in mailcore.queue.claiming,
leases and outcomes.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import psycopg

from mailcore.clock import Clock, SystemClock
from mailcore.envelope import Recipient
from mailcore.maillog.event import QueueAction
from mailcore.maillog.record import Recorder
from mailcore.queue import statements
from mailcore.queue.records import QueuedMessage

Connection = psycopg.Connection[Any]
Ids = Sequence[int]

_CLOCK = SystemClock()
# The width of the columns; what is longer is only shown to people and loses its end.
_WIDTHS = {"message_id": 998, "client": 320, "account": 320, "envid": 100, "orcpt": 500}


def insert_batch(conn: Connection, messages: Sequence[QueuedMessage]) -> None:
    """Enqueue messages whose spool files are durable already. Due at once. One statement, whatever their number."""
    messages = [message for message in messages if message.recipients]
    if not messages:
        return
    conn.execute(statements.INSERT_BATCH, {**_message_columns(messages), **_recipient_columns(messages)})


def add_recipients(
    conn: Connection, message_id: int, recipients: Sequence[Recipient], *, clock: Clock = _CLOCK
) -> None:
    """Give a queued message further recipients: a local address of it turned out to lead elsewhere."""
    columns = _columns_of(recipients)
    conn.execute(statements.ADD_RECIPIENTS, {"message_id": message_id, "due_at": clock.now(), **columns})


def hold(
    conn: Connection,
    *,
    recipient_ids: Ids = (),
    message_ids: Ids = (),
    recorder: Recorder | None = None,
    by: str = "",
) -> int:
    """Keep recipients from being tried until released; returns how many. An attempt that runs now still counts."""
    return _act(conn, "hold", statements.HOLD, recipient_ids, message_ids, recorder, by)


def release(
    conn: Connection,
    *,
    recipient_ids: Ids = (),
    message_ids: Ids = (),
    recorder: Recorder | None = None,
    by: str = "",
) -> int:
    """Let held recipients be tried again, at once; returns how many."""
    return _act(conn, "release", statements.RELEASE, recipient_ids, message_ids, recorder, by)


def retry_now(
    conn: Connection,
    *,
    recipient_ids: Ids = (),
    message_ids: Ids = (),
    recorder: Recorder | None = None,
    by: str = "",
) -> int:
    """Make waiting recipients due at once; held ones stay held. Returns how many. Publish queue_wakeup after COMMIT."""
    return _act(conn, "retry", statements.RETRY_NOW, recipient_ids, message_ids, recorder, by)


def delete(
    conn: Connection,
    *,
    recipient_ids: Ids = (),
    message_ids: Ids = (),
    recorder: Recorder | None = None,
    by: str = "",
) -> int:
    """Forget recipients, and messages without any left; returns how many recipients. Nobody is told.

    The spool file of a message that is gone is swept by the worker: whoever calls this may not write there.
    """
    return _act(conn, "delete", statements.DELETE, recipient_ids, message_ids, recorder, by)


def known_queue_ids(conn: Connection, queue_ids: Sequence[str]) -> set[str]:
    """Those of the queue ids that have a row."""
    return {row[0] for row in conn.execute(statements.KNOWN_QUEUE_IDS, {"queue_ids": list(queue_ids)})}


def remove_empty(conn: Connection) -> int:
    """Remove messages that have no recipients left; returns how many. A safety net: nothing leaves any behind."""
    return conn.execute(statements.DELETE_EMPTY, {"before": _CLOCK.now() - timedelta(hours=1)}).rowcount


def _act(
    conn: Connection,
    action: str,
    statement: str,
    recipient_ids: Ids,
    message_ids: Ids,
    recorder: Recorder | None,
    by: str,
) -> int:
    meant = {"recipient_ids": list(recipient_ids), "message_ids": list(message_ids), "now": _CLOCK.now()}
    with conn.transaction():
        messages: list[tuple[Any, ...]] = conn.execute(statements.QUEUE_IDS, meant).fetchall()
        ids = [row[0] for row in messages]
        conn.execute(statements.LOCK_MESSAGES, {"message_ids": ids})
        count = conn.execute(statement, meant).rowcount
        if action == "delete":
            conn.execute(statements.DELETE_FINISHED, {"message_ids": ids})
    if recorder is not None and count:
        for _, queue_id in messages:
            recorder.record(QueueAction(at=_CLOCK.now(), queue_id=queue_id, action=action, by=by))
    return count


def _message_columns(messages: Sequence[QueuedMessage]) -> dict[str, list[Any]]:
    return {
        "queue_id": [m.queue_id for m in messages],
        "sender": [m.envelope.sender_text for m in messages],
        "size": [m.size for m in messages],
        "content_offset": [m.content_offset for m in messages],
        "received_at": [m.received_at for m in messages],
        "expires_at": [m.expires_at for m in messages],
        "ret": [m.envelope.ret for m in messages],
        "envid": [_column("envid", m.envelope.envid) for m in messages],
        "smtputf8": [m.envelope.smtputf8 for m in messages],
        "body_8bit": [m.envelope.body_8bit for m in messages],
        "message_id": [_column("message_id", m.message_id) for m in messages],
        "client": [_column("client", m.client) for m in messages],
        "account": [_column("account", m.account) for m in messages],
    }


def _recipient_columns(messages: Sequence[QueuedMessage]) -> dict[str, list[Any]]:
    return {
        "recipient_of": [m.queue_id for m in messages for _ in m.recipients],
        "due_at": [m.received_at for m in messages for _ in m.recipients],
        **_columns_of([recipient for m in messages for recipient in m.recipients]),
    }


def _columns_of(recipients: Sequence[Recipient]) -> dict[str, list[str]]:
    return {
        "address": [str(r.address) for r in recipients],
        "original": [str(r.original) for r in recipients],
        "notify": [",".join(sorted(r.notify)) for r in recipients],
        "orcpt": [_column("orcpt", r.orcpt) for r in recipients],
        "destination": [r.address.domain_key for r in recipients],
    }


def _column(name: str, text: str) -> str:
    # PostgreSQL has no NUL in text.
    return text.replace("\0", "")[: _WIDTHS[name]]
