"""The files of one arrival: its content on the disk, then a name for it in each mailbox and in the queue.

Nothing here waits for the disk except `sync` and mbox files; the batch fsyncs the directories in `touched` at the
end. Everything can be taken back as long as no row was committed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mailcore.delivery.arrival import Arrival, LocalRecipient
from mailcore.envelope import Recipient
from mailcore.errors import MailError, StoreError, StoreUnavailable
from mailcore.index.index import Ledger, NewMessage
from mailcore.log import get_logger
from mailcore.message.flags import NO_FLAGS
from mailcore.outcome import Deferred, Delivered, Outcome
from mailcore.queue.spool import Spool
from mailcore.reply import Reply
from mailcore.store import files
from mailcore.store.maildir import deliver
from mailcore.store.maildir.store import MaildirStore
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
class Placing:
    """One arrival on its way to the disk."""

    arrival: Arrival
    outcomes: list[Outcome] = field(default_factory=list)
    queued: list[Recipient] = field(default_factory=list)
    rows: list[tuple[Ledger, NewMessage]] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)
    error: MailError | None = None
    spooled: Path | None = None
    _staged: deliver.Staged | None = None
    _open: list[int] = field(default_factory=list)
    _undo: list[Callable[[], None]] = field(default_factory=list)

    def write(self, storage: Storage, spool: Spool) -> None:
        """Write the content, without waiting: to the spool if somebody else is to get it too, and where a Maildir can
        link it from.
        """
        self.queued = list(self.arrival.remote)
        if self.queued:
            self._spool(spool)
        for each in self.arrival.local:
            # Where a folder is missing it may be new or not mounted: that can be told under the mailbox's lock.
            if storage.format(each.account) == "maildir" and storage.maildir(each.account).is_present("INBOX"):
                self._staged = self._stage(storage, each)
                return

    def descriptors(self) -> list[int]:
        """The content, to be made durable before it gets its names."""
        return [*self._open, *([self._staged.fd] if self._staged is not None and self._staged.fd >= 0 else [])]

    def place(self, storage: Storage, spool: Spool, ledgers: Ledgers) -> None:
        """Names in the mailboxes. A recipient whose mailbox cannot be used now goes to the queue instead."""
        done: dict[int, Outcome] = {}
        left = len(self.arrival.local)
        for each in self.arrival.local:
            ledger = ledgers.get((each.account.id, each.mailbox)) or ledgers[each.account.id, "INBOX"]
            left -= 1
            # Two addresses of one mailbox: one copy.
            before = done.get(ledger.record.id)
            outcome = self._place_one(storage, each, ledger, is_last=not left) if before is None else before
            done[ledger.record.id] = outcome
            self.outcomes.append(type(outcome)(each.recipient, outcome.relay, outcome.reply))
            if isinstance(outcome, Deferred):
                self.queued.append(each.recipient)
        if self.queued and self.spooled is None:
            self._spool(spool)
            spool.sync(filter(None, [self.spooled]))

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
        files.start_writeback(self._open[-1])

    def _place_one(self, storage: Storage, each: LocalRecipient, ledger: Ledger, *, is_last: bool) -> Outcome:
        try:
            with files.disk_errors():
                self.rows.append((ledger, self._put(storage, each, ledger, is_last=is_last)))
        except StoreError as error:
            log.warning("mailbox_unavailable", queue_id=self.arrival.queue_id, error=str(error))
            return Deferred(each.recipient, LOCAL, QUEUED)
        return Delivered(each.recipient, LOCAL, DELIVERED)

    def _stage(self, storage: Storage, each: LocalRecipient) -> deliver.Staged:
        content, folder = self.spooled or self.arrival.content, storage.maildir(each.account).folder("INBOX")
        return deliver.stage(folder, content, storage.hostname, size=self.arrival.size)

    def _put(self, storage: Storage, each: LocalRecipient, ledger: Ledger, *, is_last: bool) -> NewMessage:
        at, mailbox = self.arrival.received_at, ledger.record.name
        store = storage.store(each.account, lock_timeout_s=MBOX_LOCK_TIMEOUT_S)
        if ledger.record.messages and not store.is_present(mailbox):
            raise StoreUnavailable(f"the folder of {mailbox} is missing")
        if not isinstance(store, MaildirStore):
            placed = store.append(mailbox, self.spooled or self.arrival.content, NO_FLAGS, at)
            self._undo.append(lambda: store.remove(mailbox, [(placed.key, NO_FLAGS)]))
            return NewMessage(placed.key, placed.size, at, NO_FLAGS)
        if self._staged is None:
            self._staged = self._stage(storage, each)
            self._staged.sync()
        path = deliver.place(self._staged, store.folder(mailbox), storage.hostname, is_last=is_last)
        self._undo.append(lambda: files.remove_quietly(path))
        self.touched.add(os.path.dirname(path))
        return NewMessage(deliver.key_of(path), self.arrival.size, at, NO_FLAGS)
