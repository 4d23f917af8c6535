"""Identifiers of RFC 8474 on the wire: of mailboxes over every RENAME, of messages over every COPY and MOVE.

A THREADID is told to nobody yet: NIL is allowed, and one that was told could never change.
"""

from __future__ import annotations


def mailbox_id(number: int) -> bytes:
    """MAILBOXID of the mailbox with this row."""
    return b"F%x" % number


def email_id(mailbox_number: int, uid: int, remembered: int | None) -> bytes:
    """EMAILID: the place where the content was first seen, which a copy remembers."""
    return b"M%x" % (mailbox_number << 32 | uid if remembered is None else remembered)
