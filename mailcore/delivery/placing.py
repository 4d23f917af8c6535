"""The files of one arrival: its content on the disk, then a name for it in each mailbox and in the queue.

Four steps that a batch takes together: `plan` says where it will lie (under the locks of the mailboxes), `write` puts
it on the disk without waiting, `rows` are then for the index, and `name` gives it its names when its content is
durable. Everything can be taken back as long as no row was committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mailcore.delivery.arrival import Arrival, LocalRecipient
from mailcore.envelope import Recipient
from mailcore.errors import MailError, StoreError, StoreFull, StoreUnavailable
from mailcore.index.index import Ledger, NewMessage
from mailcore.log import get_logger
from mailcore.message.flags import NO_FLAGS
from mailcore.outcome import Deferred, Delivered, Outcome
from mailcore.queue.spool import Spool
from mailcore.reply import Reply
from mailcore.store import files
from mailcore.store.journal import LARGEST_CONTENT, Entry, Journal, Place
from mailcore.store.maildir import deliver
from mailcore.store.storage import Storage

log = get_logger(__name__)

LOCAL = "local"
DELIVERED = Reply(250, "2.0.0", "Delivered")
QUEUED = Reply(451, "4.2.0", "The mailbox cannot be used now; queued")
# Others of the batch wait meanwhile; who does not get an mbox file in this time finds the message in the queue.
MBOX_LOCK_TIMEOUT_S = 2.0

# Account id and mailbox name -> the locked mailbox.
Ledgers = Mapping[tuple[int, str], Ledger]


@dataclass(slots=True)
class Copy:
    """What one mailbox gets. `recipients` are the addresses that lead to it; `path` is the name to be in a Maildir."""

    account: LocalRecipient
    ledger: Ledger
    uid: int
    recipients: list[Recipient]
    folder: str = ""
    key: str = ""
    problem: StoreError | None = None

    @property
    def path(self) -> str:
        """The file's name in new/."""
        return f"{self.folder}/new/{self.key}"


@dataclass(slots=True)
class Placing:
    """One arrival on its way to the disk."""

    arrival: Arrival
    queued: list[Recipient] = field(default_factory=list)
    rows: list[tuple[Ledger, int, NewMessage]] = field(default_factory=list)
    error: MailError | None = None
    spooled: Path | None = None
    _copies: dict[int, Copy] = field(default_factory=dict)
    _staged: deliver.Staged | None = None
    _open: list[int] = field(default_factory=list)
    _undo: list[Callable[[], None]] = field(default_factory=list)

    @property
    def outcomes(self) -> list[Outcome]:
        """One for each local recipient, in their order."""
        of: dict[int, Outcome] = {}
        for copy in self._copies.values():
            for recipient in copy.recipients:
                given = (recipient, LOCAL)
                of[id(recipient)] = Deferred(*given, QUEUED) if copy.problem else Delivered(*given, DELIVERED)
        return [of[id(each.recipient)] for each in self.arrival.local]

    @property
    def is_small(self) -> bool:
        """Whether a journal takes its content."""
        content = self.arrival.content
        return isinstance(content, bytes) and len(content) <= LARGEST_CONTENT

    def plan(self, storage: Storage, ledgers: Ledgers) -> None:
        """Which mailboxes get it, under which UIDs and names."""
        self.queued = list(self.arrival.remote)
        for each in self.arrival.local:
            ledger = ledgers.get((each.account.id, each.mailbox)) or ledgers[each.account.id, "INBOX"]
            if (known := self._copies.get(ledger.record.id)) is not None:
                known.recipients.append(each.recipient)  # two addresses of one mailbox: one copy
                continue
            copy = self._copies[ledger.record.id] = Copy(each, ledger, ledger.take_uid(), [each.recipient])
            if each.account.store == "maildir":
                copy.folder = storage.maildir_folder(each.account, ledger.record.name)
                copy.key = deliver.new_key(storage.hostname, self.arrival.content, self.arrival.size)

    def entry(self, journal: Journal, spool: Spool) -> Entry | None:
        """What the journal has to keep of it."""
        if not self.is_small:
            return None
        places = [
            Place(journal.relative(copy.path), copy.ledger.record.id, copy.uid)
            for copy in self._copies.values()
            if copy.folder
        ]
        if self.queued:
            places.append(Place(journal.relative(str(spool.path(self.arrival.queue_id)))))
        assert isinstance(self.arrival.content, bytes)
        return Entry(self.arrival.content, tuple(places)) if places else None

    def write(self, storage: Storage, spool: Spool) -> None:
        """The content, without waiting for the disk: to the spool if somebody else is to get it too, and where a
        Maildir can name it. A recipient whose mailbox cannot be used now goes to the queue instead.
        """
        if self.queued:
            self._spool(spool)
        for copy in self._copies.values():
            try:
                with files.disk_errors():
                    self._write_copy(storage, copy)
            except StoreFull:
                raise
            except StoreError as error:
                log.warning("mailbox_unavailable", queue_id=self.arrival.queue_id, error=str(error))
                copy.problem = error
                self.queued += copy.recipients
        if self.queued and self.spooled is None:
            self._spool(spool)
            spool.sync(filter(None, [self.spooled]))

    def descriptors(self) -> list[int]:
        """The content, to be made durable before it gets its names."""
        return [*self._open, *([self._staged.fd] if self._staged is not None and self._staged.fd >= 0 else [])]

    def folders(self) -> set[str]:
        """The directories whose names are to be made durable."""
        return {f"{copy.folder}/new" for copy in self._copies.values() if copy.folder and not copy.problem}

    def name(self) -> None:
        """The content is durable: it may be seen."""
        staged = self._staged
        copies = [copy for copy in self._copies.values() if copy.folder and not copy.problem]
        for copy in copies:
            assert staged is not None
            self._undo.append(lambda path=copy.path: files.remove_quietly(path))  # type: ignore[misc]
            deliver.give_name(staged, copy.path, is_last=copy is copies[-1])

    def finish(self) -> None:
        """After COMMIT: descriptors, and names that were only ours, go."""
        while self._open:
            os.close(self._open.pop())
        if self._staged is not None:
            self._staged.discard()

    def take_back(self, spool: Spool) -> None:
        """Remove what was written. What cannot be removed is adopted later: a duplicate, not a loss."""
        self.finish()
        if self.spooled is not None:
            self._undo.append(lambda: spool.discard(self.arrival.queue_id))
        for undo in self._undo:
            try:
                undo()
            except (OSError, StoreError) as error:
                log.warning("not_taken_back", queue_id=self.arrival.queue_id, error=str(error))

    def _spool(self, spool: Spool) -> None:
        content = self.arrival.content
        if self._staged is not None and isinstance(content, bytes):
            content = Path(self._staged.path)
        self.spooled = spool.adopt(content, self.arrival.queue_id)
        self._open.append(os.open(self.spooled, os.O_RDONLY | os.O_CLOEXEC))

    def _write_copy(self, storage: Storage, copy: Copy) -> None:
        if copy.folder and self._stage(storage, copy):
            size = self.arrival.size
        else:
            self._append(storage, copy)
            return
        self._add_row(copy, copy.key, size)

    def _stage(self, storage: Storage, copy: Copy) -> bool:
        """See that the content lies in a Maildir and can be named in this one. False: it is no Maildir any more."""
        try:
            if self._staged is None:
                content = self.spooled or self.arrival.content
                self._staged = deliver.stage(copy.folder, content, storage.hostname, size=self.arrival.size, make=False)
            elif not os.path.isdir(f"{copy.folder}/new"):
                raise FileNotFoundError(copy.folder)
        except FileNotFoundError as error:
            # The account is new, was converted, or its volume is not mounted.
            if storage.format(copy.account.account) != "maildir":
                copy.folder = ""
                return False
            if copy.ledger.record.messages:
                raise StoreUnavailable(f"the folder of {copy.ledger.record.name} is missing") from error
            deliver.create_folder(copy.folder)
            return self._stage(storage, copy)
        return True

    def _append(self, storage: Storage, copy: Copy) -> None:
        mailbox = copy.ledger.record.name
        store = storage.store(copy.account.account, lock_timeout_s=MBOX_LOCK_TIMEOUT_S)
        if copy.ledger.record.messages and not store.is_present(mailbox):
            raise StoreUnavailable(f"the folder of {mailbox} is missing")
        placed = store.append(mailbox, self.spooled or self.arrival.content, NO_FLAGS, self.arrival.received_at)
        self._undo.append(lambda: store.remove(mailbox, [(placed.key, NO_FLAGS)]))
        self._add_row(copy, placed.key, placed.size)

    def _add_row(self, copy: Copy, key: str, size: int) -> None:
        self.rows.append((copy.ledger, copy.uid, NewMessage(key, size, self.arrival.received_at, NO_FLAGS)))
