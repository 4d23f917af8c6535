"""What a store of messages is: bytes on disk by mailbox name and key, without a database.

A store keeps what it is given in disk form (LF line ends) and hands it out in wire form (CRLF). A key names a
message in its mailbox for as long as the message exists, whatever other programs do to its flags. Every
method is synchronous; whoever changes a mailbox holds the lock of its index row, so only programs that are
not ours can interfere, and a store must live with that.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Protocol, Self

from mailcore.message.flags import NO_FLAGS, Flags
from mailcore.message.wire import ToWire, to_wire
from mailcore.store.journal import Journal

if TYPE_CHECKING:
    from mailcore.store.exchange import Exchange, Incoming, Outgoing

BLOCK = 65536
# Larger steps pay when lines are only counted on the way to an offset.
_SKIP_BLOCK = 1 << 20

StoreKey = str
# A message in disk form: in memory, or a file that the caller keeps and later removes.
Content = bytes | Path


class StoredMessage:
    """One message, open for reading. Sizes and offsets are of the wire form; memory stays bounded.

    `length` bytes of `source` from `start` are the message; None means up to the end.
    """

    def __init__(self, source: BinaryIO, *, start: int = 0, length: int | None = None) -> None:
        if length is None:
            length = max(0, source.seek(0, io.SEEK_END) - start)
        self._source = source
        self._start = start
        self._length = length
        self._wire_size: int | None = None

    @property
    def disk_size(self) -> int:
        """Bytes as stored."""
        return self._length

    @property
    def wire_size(self) -> int:
        """Bytes as sent: what RFC822.SIZE, STAT and SIZE= speak of."""
        if self._wire_size is None:
            self._wire_size = sum(map(len, self.chunks(_SKIP_BLOCK)))
        return self._wire_size

    def read(self) -> bytes:
        """The whole message."""
        self._source.seek(self._start)
        return to_wire(self._source.read(self._length))

    def read_range(self, start: int, length: int) -> bytes:
        """At most `length` bytes from offset `start`; what lies before is only counted."""
        parts: list[bytes] = []
        position, end = 0, start + length
        for chunk in self.chunks(_SKIP_BLOCK):
            if position + len(chunk) > start:
                parts.append(chunk[max(0, start - position) : end - position])
            position += len(chunk)
            if position >= end:
                break
        return b"".join(parts)

    def chunks(self, block: int = BLOCK) -> Iterator[bytes]:
        """The message in pieces of about `block` bytes."""
        wire = ToWire()
        for data in self.disk_chunks(block):
            yield wire.feed(data)
        if rest := wire.close():
            yield rest

    def disk_chunks(self, block: int = BLOCK) -> Iterator[bytes]:
        """The message as stored, in pieces of `block` bytes."""
        self._source.seek(self._start)
        left = self._length
        while left > 0 and (data := self._source.read(min(block, left))):
            left -= len(data)
            yield data

    def disk_range(self, start: int, length: int) -> bytes:
        """At most `length` bytes as stored, from `start` on."""
        self._source.seek(self._start + start)
        return self._source.read(max(0, min(length, self._length - start)))

    def close(self) -> None:
        """Give the file back."""
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class Placed:
    """A message that has its place in a mailbox. `size` is of the wire form."""

    key: StoreKey
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """What a message that the index does not know yet is like."""

    key: StoreKey
    size: int
    internal_date: datetime


@dataclass(frozen=True, slots=True)
class Scan:
    """A mailbox as found on disk.

    `nameable` are the keywords the store can express: only about these may it contradict the index (None:
    about all). `state` says what the mailbox looked like before the scan, for `MessageStore.is_unchanged`.
    """

    messages: Mapping[StoreKey, Flags]
    nameable: frozenset[str] | None
    state: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A journal that may keep a new message until it is durable where it lies, and the row that the message gets: who
    makes good a power cut asks whether it was committed.
    """

    journal: Journal
    mailbox_id: int
    uid: int


# A message as the index knows it: key, flags, internal date.
StoredAt = tuple[StoreKey, Flags, datetime]


def nothing_meanwhile(_placed: Placed) -> None:
    """Nobody has anything to do meanwhile."""


class MessageStore(Protocol):
    """The messages of one account. `mailbox` is a mailbox name with "/" between its levels."""

    def is_present(self, mailbox: str) -> bool:
        """False if the folder of the mailbox is missing: nothing can be said about its messages then, because an
        unmounted volume looks like that.
        """

    def ensure_account(self) -> None:
        """Make the folders an account needs. Safe to repeat."""

    def list_mailboxes(self) -> list[str]:
        """The names of all mailboxes on disk."""

    def create_mailbox(self, mailbox: str) -> None:
        """Make an empty mailbox; no error if it is there already."""

    def delete_mailbox(self, mailbox: str) -> None:
        """Remove a mailbox and all its messages; mailboxes below it stay."""

    def rename_mailbox(self, old: str, new: str) -> None:
        """Give one mailbox (not those below it) another name."""

    def append(
        self,
        mailbox: str,
        content: Content,
        flags: Flags = NO_FLAGS,
        internal_date: datetime | None = None,
        kept: Kept | None = None,
        meanwhile: Callable[[Placed], None] = nothing_meanwhile,
    ) -> Placed:
        """Add a message; it is durable when this returns: where it lies, or in the journal that `kept` names. Calls
        `meanwhile` once, before it waits for the disk if it can: with the place the message has or is about to get.
        """

    def exchange(self, mailbox: str, new: Sequence[Incoming], old: Sequence[Outgoing] = ()) -> Exchange:
        """Prepare that `new` messages appear and `old` ones go when the caller's transaction is committed."""

    def settle(self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]]) -> Collection[StoreKey]:
        """Messages of committed rows that are missing: an exchange that a crash has cut short is completed. Returns the
        keys of those that are there now.
        """

    def open(self, mailbox: str, key: StoreKey, flags: Flags = NO_FLAGS) -> StoredMessage:
        """Open a message for reading; `flags` as the index knows them save a search. Raises MessageGone."""

    def read_each(
        self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]], *, at_most: int | None = None
    ) -> list[bytes | None]:
        """Many messages at once, in wire form; of each at most the first `at_most` stored bytes. None for one that
        is gone.
        """

    def describe(self, mailbox: str, keys: Collection[StoreKey]) -> list[Found]:
        """Size and date of messages a scan found, oldest first. Those already gone are left out."""

    def set_flags(self, mailbox: str, changes: Sequence[tuple[StoreKey, Flags, Flags]]) -> None:
        """Show flags to other programs: (key, flags before, flags after). Messages that are gone are passed
        over.
        """

    def remove(self, mailbox: str, messages: Sequence[tuple[StoreKey, Flags]]) -> None:
        """Remove messages for good. Those already gone are passed over."""

    def copy(self, mailbox: str, messages: Sequence[StoredAt], target: str) -> list[Placed | None]:
        """Copy messages to another mailbox of the same account, durably; None for one that is gone."""

    def move(self, mailbox: str, messages: Sequence[StoredAt], target: str) -> list[Placed | None]:
        """Like copy, but the messages leave `mailbox`; never is a message in neither place."""

    def scan(self, mailbox: str, *, take_new: bool = False) -> Scan:
        """Everything in the mailbox now; `take_new` lets the store take what is new, as SELECT (not EXAMINE) may."""

    def tidy(self, mailbox: str) -> None:
        """Remove what programs that died left there. After `settle`: what waits for its name is nobody's rest."""

    def is_unchanged(self, mailbox: str, state: tuple[int, ...]) -> bool:
        """True if certainly nobody changed the mailbox since the scan that gave `state`."""

    def only_gained(self, mailbox: str, state: tuple[int, ...], messages: int) -> bool:
        """True if, as far as a quick look tells, new messages are all that came since the scan that gave `state`, and
        there are `messages` now. May say False whenever a quick look cannot tell.
        """
