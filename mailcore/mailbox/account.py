"""The mailboxes of an account: list, create, rename, delete, subscribe.

Store and index change together: the rows under the lock of the account's INBOX row, the folders before
COMMIT. Names are UTF-8 with "/" between levels; "INBOX" is written so whatever its case was.
"""

from __future__ import annotations

from psycopg import Connection

from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.store.storage import Storage


def ensure_account(conn: Connection, storage: Storage, account: AccountRef) -> None:
    """Make INBOX, Drafts, Sent, Junk, Trash, Archive (special use, subscribed) unless INBOX exists; adopt
    folders other programs made. Cheap when there is nothing to do: call it at each login.
    """
    raise NotImplementedError


def list_mailboxes(conn: Connection, account: AccountRef) -> list[MailboxRecord]:
    """All mailboxes, INBOX first, then by name."""
    raise NotImplementedError


def get_mailbox(conn: Connection, account: AccountRef, name: str) -> MailboxRecord:
    """One mailbox. Raises MailboxNotFound."""
    raise NotImplementedError


def create_mailbox(
    conn: Connection, storage: Storage, account: AccountRef, name: str, special_use: str = ""
) -> MailboxRecord:
    """Create a mailbox and those above it that are missing (RFC 3501 section 6.3.3); one trailing "/" is
    dropped. Raises MailboxExists, MailboxNameInvalid.
    """
    raise NotImplementedError


def delete_mailbox(conn: Connection, storage: Storage, account: AccountRef, name: str) -> None:
    """Delete a mailbox and its messages. Raises CannotDeleteInbox, MailboxNotFound, HasChildren."""
    raise NotImplementedError


def rename_mailbox(conn: Connection, storage: Storage, account: AccountRef, old: str, new: str) -> None:
    """Rename a mailbox and those below it; INBOX instead moves its messages to `new` and stays (RFC 3501
    section 6.3.5). Raises MailboxNotFound, MailboxExists, MailboxNameInvalid.
    """
    raise NotImplementedError


def subscriptions(conn: Connection, account: AccountRef) -> set[str]:
    """The names of LSUB."""
    raise NotImplementedError


def set_subscribed(conn: Connection, account: AccountRef, name: str, subscribed: bool) -> None:
    """Put a name on the list of LSUB, or take it off. The mailbox need not exist (RFC 3501 section 6.3.6)."""
    raise NotImplementedError
