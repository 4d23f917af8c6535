"""A search as the list needs it: from one message on, block by block, until there is enough or the time is up.

A page shows fifty messages and says how many there are; it does not need all two hundred thousand that have a frequent
word, and it cannot wait until as many files are read. What was not looked at is said, and the next page begins there.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from mailadmin.database import raw_connection
from mailadmin.mailboxes.models import Message
from mailadmin.webmail.access import storage
from mailadmin.webmail.search_query import SearchQuery
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.search import search

# Who looks for something reads no more of it than this before he asks for something better.
ENOUGH = 1000
# A block whose messages are known to the index takes milliseconds; one that must be read, as long as its files. So
# blocks begin small and grow while they are quick.
SMALLEST, LARGEST = 25, 2000
QUICK_S = 0.1


@dataclass(frozen=True, slots=True)
class Found:
    """What matches, in the order it was looked through; `reached` is the last message looked at, None if all were."""

    uids: Sequence[int] = ()
    reached: int | None = None


def search_for(
    account: AccountRef, mailbox: MailboxRecord, wanted: SearchQuery, uids: Sequence[int], seconds: float
) -> Found:
    """Look through `uids` from the first on. Ends when ENOUGH are found or after `seconds`, but gets on by a block."""
    found: list[int] = []
    done, size, limit = 0, SMALLEST, time.monotonic() + seconds
    while done < len(uids):
        block = uids[done : done + size]
        began = time.monotonic()
        matching = _matching(account, mailbox, wanted, sorted(block))
        found += [uid for uid in block if uid in matching]
        done += len(block)
        now = time.monotonic()
        if done < len(uids) and (len(found) >= ENOUGH or now > limit):
            return Found(found, block[-1])
        size = min(size * 2, LARGEST) if now - began < QUICK_S else max(size // 2, SMALLEST)
    return Found(found)


def _matching(account: AccountRef, mailbox: MailboxRecord, wanted: SearchQuery, block: Sequence[int]) -> set[int]:
    found = search(raw_connection(), storage(), account, mailbox, wanted.key, block)
    if wanted.attachments is None or not found:
        return set(found)
    fill_cache(account, mailbox, found)
    rows = Message.objects.filter(mailbox_id=mailbox.id, has_attachments=wanted.attachments)
    among = rows.filter(uid__gte=found[0], uid__lte=found[-1]).values_list("uid", flat=True)
    return set(found).intersection(among)


def fill_cache(account: AccountRef, mailbox: MailboxRecord, uids: Sequence[int]) -> None:
    """Have mailcore read those of the messages that nobody has read yet."""
    unread = Message.objects.filter(mailbox_id=mailbox.id, envelope__isnull=True, uid__in=list(uids))
    missing = list(unread.order_by("uid").values_list("uid", flat=True))
    if missing:
        mailboxes.cached_rows(raw_connection(), storage(), account, mailbox, missing)
