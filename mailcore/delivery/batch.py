"""Group commit: the messages that arrived together become durable together.

`deliver_batch` is the hot path of the appliance. Content is written without waiting, then made durable for
the whole batch; one database transaction adds every index and queue row; only then does the caller
acknowledge. Nothing is parsed. The order is: content (fdatasync), names in new/ (directories fsynced), rows
(COMMIT). A crash in between leaves a message that nobody was told about, never a row without its content and
never a loss.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from psycopg import Connection

from mailcore.envelope import Envelope, Recipient
from mailcore.errors import MailError
from mailcore.identity import AccountRef
from mailcore.outcome import Outcome
from mailcore.store.base import Content
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from mailcore.queue.spool import Spool


@dataclass(frozen=True, slots=True)
class LocalRecipient:
    """A recipient who has a mailbox here. A mailbox name that does not exist falls back to INBOX."""

    recipient: Recipient
    account: AccountRef
    mailbox: str = "INBOX"


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that was received completely and is not acknowledged yet.

    `content` is in disk form and starts with `content_offset` bytes that only local copies keep
    (Return-Path); a file stays the caller's to remove. `size` is of the wire form of all of it. `client` and
    `account` (who submitted it) are for the queue's list.
    """

    queue_id: str
    envelope: Envelope
    content: Content
    content_offset: int
    size: int
    message_id: str
    received_at: datetime
    client: str
    account: str
    local: tuple[LocalRecipient, ...]
    remote: tuple[Recipient, ...]


def deliver_batch(
    conn: Connection, storage: Storage, spool: Spool, arrivals: Sequence[Arrival], expires_after_s: float
) -> list[list[Outcome] | MailError]:
    """Deliver and enqueue `arrivals`; one answer for each, in their order.

    A list: the message is durable everywhere. It holds one Outcome per local recipient, in their order:
    Delivered, or Deferred when the mailbox could not be served now and a queue row keeps the promise. Remote
    recipients are queued and have no outcome yet. A MailError: nothing of this message was kept; answer with
    a temporary failure. Raises psycopg.Error when the database fails: then nothing of the whole batch was
    kept.
    """
    raise NotImplementedError
