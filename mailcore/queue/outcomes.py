"""What came of trying: recipients that are delivered, failed or deferred, and the reports that calls for.

Recording is fenced: a deferral or failure counts only while the lease is held, so a recipient whose lease ended cannot
bounce twice. A delivery counts always: it is a fact, and deleting the row prevents a second one.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any

import psycopg

from mailcore.queue import operations, statements
from mailcore.queue.leases import LeaseLost
from mailcore.queue.records import Results

Connection = psycopg.Connection[Any]


def record(conn: Connection, lease: uuid.UUID, results: Results, now: datetime) -> list[str]:
    """Write down what became of recipients, with the reports that calls for, in one database transaction.

    Returns the queue ids of messages that are finished: their spool files may go. Raises LeaseLost, with nothing
    recorded, when a failure comes too late: its report would be the second one. A late deferral changes nothing.
    """
    message_ids = list(results.message_ids)
    if results.all_delivered:
        finished = conn.execute(
            statements.FINISH_DELIVERED, {"message_ids": message_ids, "ids": list(results.delivered)}
        )
        return [row[0] for row in finished]
    with conn.transaction():
        conn.execute(statements.LOCK_MESSAGES, {"message_ids": message_ids})
        if results.delivered:
            conn.execute(statements.DELETE_DELIVERED, {"ids": list(results.delivered)})
        _record_failed(conn, lease, results)
        _record_deferred(conn, lease, results, now)
        if results.warned:
            conn.execute(statements.MARK_WARNED, {"message_ids": list(results.warned)})
        operations.insert_batch(conn, results.reports)
        if not (results.delivered or results.failed):
            return []
        finished = conn.execute(statements.DELETE_FINISHED, {"message_ids": message_ids})
        return [row[0] for row in finished]


def _record_failed(conn: Connection, lease: uuid.UUID, results: Results) -> None:
    if results.failed:
        gone = conn.execute(statements.DELETE_FAILED, {"ids": list(results.failed), "lease": lease}).rowcount
        if gone != len(results.failed):
            raise LeaseLost(lease)


def _record_deferred(conn: Connection, lease: uuid.UUID, results: Results, now: datetime) -> None:
    if not results.deferred:
        return
    columns = {
        "ids": [d.id for d in results.deferred],
        "next_attempt_at": [d.next_attempt_at for d in results.deferred],
        "relay": [d.relay[:320] for d in results.deferred],
        "reply": [d.reply.replace("\0", "") for d in results.deferred],
        "is_our_mistake": [d.is_our_mistake for d in results.deferred],
    }
    # Rows that were held, deleted or claimed anew in the meantime stay as they are.
    conn.execute(statements.DEFER, {**columns, "lease": lease, "now": now})
