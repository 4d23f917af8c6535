"""How STATUS is written: for the command, and for LIST with RETURN (STATUS ...)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from accessd.imap import response
from mailcore.index.records import MailboxStatus

_VALUES: Mapping[str, Callable[[MailboxStatus], int]] = {
    "MESSAGES": lambda status: status.messages,
    "RECENT": lambda status: status.recent,
    "UNSEEN": lambda status: status.unseen,
    "UIDNEXT": lambda status: status.uidnext,
    "UIDVALIDITY": lambda status: status.uidvalidity,
    "HIGHESTMODSEQ": lambda status: max(status.highestmodseq, 1),
    "SIZE": lambda status: status.size,
    "DELETED": lambda status: status.deleted,
}


def status_response(name: str, items: Sequence[str], status: MailboxStatus, *, utf8: bool = False) -> bytes:
    """`* STATUS name (ITEM value ...)`."""
    values = b" ".join(b"%b %d" % (item.encode("ascii"), _VALUES[item](status)) for item in items)
    return response.untagged(b"STATUS %b (%b)" % (response.mailbox(name, utf8=utf8), values))
