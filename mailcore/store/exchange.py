"""Messages that appear, and others that go, together with the rows of one database transaction: several of a
MULTIAPPEND (RFC 3502), the new and the old one of a REPLACE (RFC 8508).

A COMMIT is the only step that is all or nothing. So the store first makes everything durable where no reader looks,
then the caller commits, then names are changed; a crash in between is made good by whoever finds rows without files
(`MessageStore.settle`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from mailcore.message.flags import Flags
from mailcore.store.base import Content, Placed, StoreKey


@dataclass(frozen=True, slots=True)
class Incoming:
    """A new message."""

    content: Content
    flags: Flags
    internal_date: datetime | None


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message that is to go."""

    mailbox: str
    key: StoreKey
    flags: Flags


@dataclass(frozen=True, slots=True)
class Exchange:
    """What waits for the COMMIT. `placed` are the new messages; call `complete` after it, or `undo` if it failed."""

    placed: Sequence[Placed]
    complete: Callable[[], None]
    undo: Callable[[], None]
