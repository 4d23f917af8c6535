"""The messages of a lease, as the worker that holds it tries them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter
from typing import Any

import psycopg
from psycopg.rows import namedtuple_row

from mailcore.address import Address
from mailcore.envelope import Envelope, Recipient
from mailcore.queue import claiming, statements
from mailcore.queue.leases import LEASE_S
from mailcore.queue.records import LeasedMessage, LeasedRecipient

Connection = psycopg.Connection[Any]

_NO_WISHES: frozenset[str] = frozenset()


def load(conn: Connection, lease: uuid.UUID, now: datetime) -> list[LeasedMessage]:
    """The messages of a lease; empty when it is not valid (any more)."""
    return _messages(conn, statements.SELECT_LEASED, {"lease": lease, "now": now})


def top_up(conn: Connection, lease: uuid.UUID, destinations: Sequence[str], now: datetime) -> list[LeasedMessage]:
    """Take what else is due for these destinations into a lease that the caller holds and has begun."""
    until = now + timedelta(seconds=LEASE_S)
    limit = claiming.BATCH_SIZE
    meant = {"lease": lease, "destinations": list(destinations), "now": now, "until": until, "row_limit": limit}
    return _messages(conn, statements.TOP_UP, meant)


def _messages(conn: Connection, statement: str, meant: dict[str, Any]) -> list[LeasedMessage]:
    with conn.cursor(row_factory=namedtuple_row) as cursor:
        rows = cursor.execute(statement, meant).fetchall()
    # In the order of their messages.
    return [_message(list(group)) for _, group in groupby(rows, key=itemgetter(1))]


def _message(rows: list[Any]) -> LeasedMessage:
    first = rows[0]
    recipients = tuple(_recipient(row) for row in rows)
    return LeasedMessage(
        id=first.message_id,
        queue_id=first.queue_id,
        envelope=Envelope(
            sender=Address.parse(first.sender) if first.sender else None,
            recipients=tuple(leased.recipient for leased in recipients),
            ret=first.ret,
            envid=first.envid,
            smtputf8=first.smtputf8,
            body_8bit=first.body_8bit,
        ),
        size=first.size,
        content_offset=first.content_offset,
        received_at=first.received_at,
        expires_at=first.expires_at,
        message_id=first.message_id_header,
        client=first.client,
        account=first.account,
        delay_warned=first.delay_warned,
        recipients=recipients,
        recipients_in_queue=first.recipients_in_queue,
    )


def _recipient(row: Any) -> LeasedRecipient:
    recipient = Recipient(
        address=Address.parse(row.address),
        original=Address.parse(row.original),
        notify=frozenset(row.notify.split(",")) if row.notify else _NO_WISHES,
        orcpt=row.orcpt,
    )
    # The attempt that is about to be made is counted already.
    return LeasedRecipient(row.id, recipient, row.attempts, again=row.unfinished_attempts > 1)
