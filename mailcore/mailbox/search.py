"""SEARCH over a key tree: rows first, cached fields next, message files only where nothing else can tell."""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import Connection

from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.search_keys import SearchKey
from mailcore.store.storage import Storage


def search(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    key: SearchKey,
    uids_in_order: Sequence[int],
    first_recent_uid: int | None = None,
) -> list[int]:
    """The UIDs of `uids_in_order` (the session's view: position + 1 is the sequence number) that match `key`,
    in that order. From `first_recent_uid` on messages are \\Recent; None means none is.
    """
    raise NotImplementedError
