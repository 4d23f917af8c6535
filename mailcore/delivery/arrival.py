"""A message that was received completely and is not acknowledged yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mailcore.envelope import Envelope, Recipient
from mailcore.identity import AccountRef
from mailcore.store.base import Content


@dataclass(frozen=True, slots=True)
class LocalRecipient:
    """A recipient who has a mailbox here. A mailbox name that does not exist falls back to INBOX."""

    recipient: Recipient
    account: AccountRef
    mailbox: str = "INBOX"


@dataclass(frozen=True, slots=True)
class Arrival:
    """`content` is in disk form and starts with `content_offset` bytes that only local copies keep (Return-Path); a
    file stays the caller's to remove. `size` is of the wire form of all of it. `client` and `account` (who submitted
    it) are for the queue's list.
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
