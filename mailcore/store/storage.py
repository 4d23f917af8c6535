"""All stores of this host: from an account to its MessageStore."""

from __future__ import annotations

from pathlib import Path

from mailcore.identity import AccountRef
from mailcore.store.base import MessageStore


class Storage:
    """The mail root. One per process; remembers, in bounded memory, which mailboxes it has seen unchanged."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def store(self, account: AccountRef) -> MessageStore:
        """The store of `account`."""
        raise NotImplementedError
