"""Identifiers of RFC 8474 on the wire: of mailboxes over every RENAME, of messages over every COPY and MOVE.

A THREADID is told to nobody yet: NIL is allowed, and one that was told could never change.
"""

from __future__ import annotations

import re

_EMAIL_ID = re.compile(r"M([0-9a-f]{1,16})")


def mailbox_id(number: int) -> bytes:
    """MAILBOXID of the mailbox with this row."""
    return b"F%x" % number


def email_id(origin: int) -> bytes:
    """EMAILID: the place where the content was first seen, which a copy remembers."""
    return b"M%x" % origin


def email_number(text: str) -> int | None:
    """The number in an EMAILID, None if it is none of ours."""
    found = _EMAIL_ID.fullmatch(text)
    return int(found[1], 16) if found else None
