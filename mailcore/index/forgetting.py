"""Forgetting which UIDs were removed: `expunged` keeps them for a month, and not more than MOST_KEPT a mailbox.

Promises that nobody is told less than happened: the mailbox remembers the modseq up to which rows are gone, raised
in the transaction that deletes them, and changes since an older one are told by what is left (`Changes.present`). RFC
7162 section 5 allows a server to remember as little as it likes, if it then reports everything that is not there.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import psycopg

from mailcore.index import statements
from mailcore.index.index import lock_mailboxes

Connection = psycopg.Connection[Any]

# A client that was away for longer, or for more than this, reads the list of UIDs, which costs as much.
KEPT = timedelta(days=30)
MOST_KEPT = 20_000
# In one transaction: deliveries to the mailbox wait for it.
MOST_AT_ONCE = 5_000


def overdue(conn: Connection, before: datetime, *, most_kept: int = MOST_KEPT) -> list[int]:
    """Mailboxes that remember removals from before that time, or too many. Reads the whole table."""
    found = conn.execute(statements.FORGETFUL_MAILBOXES, {"before": before, "most_kept": most_kept})
    return [row[0] for row in found]


def forget(
    conn: Connection, mailbox_id: int, before: datetime, *, most_kept: int = MOST_KEPT, at_once: int = MOST_AT_ONCE
) -> int:
    """Forget the oldest removals of a mailbox, about `at_once` of them; returns how many: 0 when none is left to be
    forgotten. What was removed together is forgotten together. Raises MailboxNotFound, MailboxInUse.
    """
    bounds = {"mailbox_id": mailbox_id, "before": before, "most_kept": most_kept, "at_once": at_once}
    with conn.transaction():
        lock_mailboxes(conn, [mailbox_id])
        row = conn.execute(statements.EXPUNGED_HORIZON, bounds).fetchone()
        if row is None or not row[0]:
            return 0
        horizon = {"mailbox_id": mailbox_id, "horizon": row[0]}
        conn.execute(statements.RAISE_HORIZON, horizon)
        return conn.execute(statements.FORGET_EXPUNGED, horizon).rowcount
