"""All stores of this host: from an account to its MessageStore."""

from __future__ import annotations

import socket
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

from mailcore.identity import AccountRef
from mailcore.store import layout
from mailcore.store.base import MessageStore
from mailcore.store.maildir.store import MaildirStore
from mailcore.store.mbox.lock import DEFAULT_TIMEOUT_S
from mailcore.store.mbox.store import MboxStore, ParsedFiles
from mailcore.store.sync import ParallelSync

_REMEMBERED = 10_000


class Storage:
    """The mail root. One per process; remembers, in bounded memory, which mailboxes it saw agree with the index."""

    def __init__(self, root: Path, *, hostname: str | None = None, lock_timeout_s: float = DEFAULT_TIMEOUT_S) -> None:
        self.root = root
        self.hostname = hostname or socket.gethostname()
        self._lock_timeout_s = lock_timeout_s
        self.sync = ParallelSync()
        self._parsed = ParsedFiles()
        self._agreed: OrderedDict[int, tuple[int, ...]] = OrderedDict()
        self._maildir_root = lru_cache(_REMEMBERED)(lambda address: str(layout.store_folder(root, address, "maildir")))

    @property
    def home(self) -> Path:
        """What holds the mail root and, beside it, the spool with the journals."""
        return self.root.parent

    def format(self, account: AccountRef) -> str:
        """ "maildir" or "mbox": what is on the disk, if only one of them is, else what the account says. A session
        that knows the account from before it was converted thus goes on with the right one, if it asks under the
        mailbox's lock.
        """
        other = {"maildir": "mbox", "mbox": "maildir"}[account.store]
        if not self._folder(account, account.store).is_dir() and self._folder(account, other).is_dir():
            return other
        return account.store

    def store(self, account: AccountRef, *, lock_timeout_s: float | None = None) -> MessageStore:
        """The store of `account`."""
        if self.format(account) == "mbox":
            return self.mbox(account, lock_timeout_s=lock_timeout_s)
        return self.maildir(account)

    def maildir(self, account: AccountRef) -> MaildirStore:
        """The account's Maildir, whatever its format is."""
        return MaildirStore(self._folder(account, "maildir"), self.hostname)

    def maildir_folder(self, account: AccountRef, mailbox: str) -> str:
        """Where the Maildir folder of that mailbox is or would be."""
        name = layout.maildir_folder(mailbox)
        root = self._maildir_root(account.address)
        return f"{root}/{name}" if name else root

    def mbox(self, account: AccountRef, *, lock_timeout_s: float | None = None) -> MboxStore:
        """The account's mbox files, whatever its format is."""
        timeout_s = self._lock_timeout_s if lock_timeout_s is None else lock_timeout_s
        return MboxStore(self._folder(account, "mbox"), self._parsed, timeout_s)

    def _folder(self, account: AccountRef, format: str) -> Path:
        return layout.store_folder(self.root, account.address, format)

    def agreed_state(self, mailbox_id: int) -> tuple[int, ...]:
        """The state of the store at the last scan after which the index said the same; () if not known."""
        return self._agreed.get(mailbox_id, ())

    def remember_agreed(self, mailbox_id: int, state: tuple[int, ...]) -> None:
        """Keep it for the next look."""
        self._agreed.pop(mailbox_id, None)
        self._agreed[mailbox_id] = state
        while len(self._agreed) > _REMEMBERED:
            self._agreed.popitem(last=False)
