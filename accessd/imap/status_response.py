"""How STATUS is written: for the command, and for LIST with RETURN (STATUS ...)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from accessd.imap import response
from accessd.imap.object_id import mailbox_id
from mailcore.index.records import MailboxStatus

COUNT_DELETED = frozenset({"DELETED", "DELETED-STORAGE"})
"""Items of RFC 9208 section 4.1.4, which cost a look at every message."""

_VALUES: Mapping[str, Callable[[MailboxStatus], int | bytes]] = {
    "MESSAGES": lambda status: status.messages,
    "RECENT": lambda status: status.recent,
    "UNSEEN": lambda status: status.unseen,
    "UIDNEXT": lambda status: status.uidnext,
    "UIDVALIDITY": lambda status: status.uidvalidity,
    "HIGHESTMODSEQ": lambda status: max(status.highestmodseq, 1),
    "SIZE": lambda status: status.size,
    "DELETED": lambda status: status.deleted,
    "DELETED-STORAGE": lambda status: status.deleted_size,
    "MAILBOXID": lambda status: b"(%b)" % mailbox_id(status.mailbox_id),
}


def status_response(
    name: str, items: Sequence[str], status: MailboxStatus, *, utf8: bool = False, append_limit: int = 0
) -> bytes:
    """`* STATUS name (ITEM value ...)`. `append_limit` is APPENDLIMIT in octets (RFC 7889), 0 for none."""
    values = b" ".join(_item(item, status, append_limit) for item in items)
    return response.untagged(b"STATUS %b (%b)" % (response.mailbox(name, utf8=utf8), values))


def _item(item: str, status: MailboxStatus, append_limit: int) -> bytes:
    name = item.encode("ascii")
    if item == "APPENDLIMIT":
        return b"%b %d" % (name, append_limit) if append_limit else name + b" NIL"
    value = _VALUES[item](status)
    return b"%b %d" % (name, value) if isinstance(value, int) else b"%b %b" % (name, value)
