"""What the queue holds, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from mailcore.address import Address
from mailcore.envelope import Envelope, Recipient


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message to enqueue. `recipients` are those of its envelope that still wait; `size` is of the wire form."""

    queue_id: str
    envelope: Envelope
    size: int
    content_offset: int
    received_at: datetime
    expires_at: datetime
    message_id: str
    client: str
    account: str
    recipients: Sequence[Recipient]


@dataclass(frozen=True, slots=True)
class ClaimedLease:
    """Recipients claimed together: one next hop, one token, to be taken up before `until`."""

    lease: UUID
    hop_key: str
    recipients: int
    until: datetime


@dataclass(frozen=True, slots=True)
class OpenLease:
    """A lease somebody holds, with one of its recipients: enough to know its next hop."""

    lease: UUID
    address: str
    sender: str
    until: datetime


@dataclass(frozen=True, slots=True)
class LeasedRecipient:
    """One recipient to try now. `id` is its row. `again`: an earlier attempt was cut off, nobody knows where."""

    id: int
    recipient: Recipient
    attempts: int
    again: bool = False


@dataclass(frozen=True, slots=True)
class LeasedMessage:
    """One message of a lease with those of its recipients that are in the lease, out of all that are still queued."""

    id: int
    queue_id: str
    envelope: Envelope
    size: int
    content_offset: int
    received_at: datetime
    expires_at: datetime
    message_id: str
    client: str
    account: str
    delay_warned: bool
    recipients: tuple[LeasedRecipient, ...]
    recipients_in_queue: int

    @property
    def sender(self) -> Address | None:
        return self.envelope.sender


@dataclass(frozen=True, slots=True)
class Deferral:
    """When a recipient is tried again, and what the other side said."""

    id: int
    next_attempt_at: datetime
    relay: str
    reply: str
    # An error of our own: the attempt counts as one that came to no end.
    is_our_mistake: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """What one attempt brought: row ids by outcome, the reports it calls for, and messages whose delay was told."""

    message_ids: Sequence[int]
    delivered: Sequence[int] = ()
    failed: Sequence[int] = ()
    deferred: Sequence[Deferral] = ()
    reports: Sequence[QueuedMessage] = ()
    warned: Sequence[int] = ()
    # All recipients that the messages have left were delivered: the case that has to be quick.
    all_delivered: bool = False
