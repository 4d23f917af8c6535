"""What is remembered of removed messages: the read side of QRESYNC (RFC 7162 section 3.2); mailcore.index.forgetting is
the other one.
"""

from __future__ import annotations

from typing import Any

import psycopg

from mailcore.errors import MailboxNotFound
from mailcore.index import statements
from mailcore.index.records import FlagRow

Connection = psycopg.Connection[Any]

LATEST = 2**63 - 1


def expunged_since(conn: Connection, mailbox_id: int, modseq: int) -> list[int] | None:
    """The UIDs removed after `modseq`, in order; None if that is so long ago that nobody remembers them all. Raises
    MailboxNotFound.
    """
    span = {"mailbox_id": mailbox_id, "since": modseq, "until": LATEST}
    found = conn.execute(statements.EXPUNGED_UIDS, span).fetchone()
    if found is None:
        raise MailboxNotFound("the mailbox was deleted")
    is_remembered, uids = found
    return uids if is_remembered else None


def changed_since(conn: Connection, mailbox_id: int, modseq: int, uidnext: int) -> list[FlagRow]:
    """The cheap columns of messages below `uidnext` that are new or have other flags since `modseq`, in UID order."""
    span = {"mailbox_id": mailbox_id, "since": modseq, "uidnext": uidnext}
    found = conn.execute(statements.CHANGED_ROWS, span, binary=True)
    return list(map(FlagRow._make, found.fetchall()))
