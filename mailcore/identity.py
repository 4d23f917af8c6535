"""What stores and mailboxes need to know of an account, and no more."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AccountRef:
    """An account by its id; `store` is "maildir" or "mbox", a quota of 0 bytes or messages means unlimited."""

    id: int
    address: str
    store: str = "maildir"
    quota_bytes: int = 0
    quota_messages: int = 0
