"""A search as the list needs it: from one message on, piece by piece, until there is enough or the time is up.

A page shows fifty messages and says how many there are; it does not need all two hundred thousand that have a frequent
word, and it cannot wait until as many files are read. What was not looked at is said, and the next page begins there.
The index of words rules out most messages at once; what is left is looked at as SEARCH of IMAP does.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from datetime import time as time_of_day

from django.db.models import F, Q, QuerySet

from mailadmin.database import raw_connection
from mailadmin.mailboxes.models import Message
from mailadmin.webmail.access import storage
from mailadmin.webmail.search_query import SearchQuery
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.candidates import candidates
from mailcore.mailbox.search import search
from mailcore.mailbox.search_index import TextIndex
from mailcore.mailbox.search_keys import And, Comparison, DateField, DateKey, FlagKey, Size

# Who looks for something reads no more of it than this before he asks for something better.
ENOUGH = 1000
# Messages that the index knows cost it microseconds each, one that must be read as much as its file. So pieces begin
# small and grow while there is time; of what must perhaps be read, a piece is never large.
SMALLEST, GROWTH = 25, 4
MOST_AT_ONCE = 500
MIDNIGHT = time_of_day(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Found:
    """What matches, in the order it was looked through; `reached` is the last message looked at, None if all were."""

    uids: Sequence[int] = ()
    reached: int | None = None


def search_for(
    account: AccountRef, mailbox: MailboxRecord, wanted: SearchQuery, uids: Sequence[int], seconds: float
) -> Found:
    """Look through `uids` from the first on. Ends when ENOUGH are found or after `seconds`, but gets on by a piece."""
    found: list[int] = []
    index = TextIndex(raw_connection(), mailbox.id)
    limit = time.monotonic() + seconds
    for reached, piece in _pieces(index, wanted, uids, limit):
        if piece:
            matching = _matching(account, mailbox, wanted, sorted(piece), index)
            found += [uid for uid in piece if uid in matching]
        if reached != uids[-1] and (len(found) >= ENOUGH or time.monotonic() > limit):
            return Found(found, reached)
    return Found(found)


def _pieces(
    index: TextIndex, wanted: SearchQuery, uids: Sequence[int], limit: float
) -> Iterator[tuple[int, Sequence[int]]]:
    """The messages that may match, in pieces; with each the last message that is done with once it was looked at."""
    pace = _Pace(limit, MOST_AT_ONCE)
    for span in _Pace(limit, len(uids)).divide(uids):
        likely = candidates(index, wanted.key, set(span))
        left = [uid for uid in span if uid in likely]
        for piece in pace.divide(left):
            yield (span if piece[-1] == left[-1] else piece)[-1], piece
        if not left:
            yield span[-1], ()


class _Pace:
    """How much at once: several times as much as before, but no more than half of the time left is enough for."""

    def __init__(self, limit: float, largest: int) -> None:
        self._limit = limit
        self._largest = largest
        self._size = SMALLEST

    def divide(self, uids: Sequence[int]) -> Iterator[Sequence[int]]:
        """Pieces of `uids`; what somebody does with each is measured."""
        done = 0
        while done < len(uids):
            began = time.monotonic()
            piece = uids[done : done + self._size]
            yield piece
            done += len(piece)
            now = time.monotonic()
            fitting = len(piece) * (self._limit - now) / (2 * max(now - began, 1e-6))
            self._size = max(SMALLEST, min(int(fitting), self._size * GROWTH, self._largest))


def narrowed(rows: QuerySet[Message], wanted: SearchQuery) -> QuerySet[Message]:
    """Those of `rows` whose columns do not say already that they cannot match; the same object if none says it."""
    for key in wanted.key.keys if isinstance(wanted.key, And) else ():
        match key:
            case FlagKey(bit, is_set):
                rows = rows.alias(**{f"bit_{bit}": F("flags").bitand(bit)}).filter(**{f"bit_{bit}": bit * is_set})
            case Size(octets, is_larger):
                rows = rows.filter(size__gt=octets) if is_larger else rows.filter(size__lt=octets)
            case DateKey(DateField.INTERNAL, Comparison.BEFORE, day):
                rows = rows.filter(internal_date__lt=datetime.combine(day, MIDNIGHT))
            case DateKey(DateField.INTERNAL, _, day):
                rows = rows.filter(internal_date__gte=datetime.combine(day, MIDNIGHT))
    if wanted.attachments is not None:
        rows = rows.filter(Q(has_attachments=wanted.attachments) | Q(envelope__isnull=True))
    return rows


def _matching(
    account: AccountRef, mailbox: MailboxRecord, wanted: SearchQuery, piece: Sequence[int], index: TextIndex
) -> set[int]:
    found = search(raw_connection(), storage(), account, mailbox, wanted.key, piece, index=index)
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
