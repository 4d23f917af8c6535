"""One page of a mailbox: newest first, by keyset of UIDs, so page one thousand costs as much as page one.

Rows come from the index. Columns nobody has read from the message yet are filled through mailcore for the rows of this
page only; a message that cannot be read is listed all the same.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlencode

from django.db.models import F, QuerySet

from mailadmin.database import raw_connection
from mailadmin.mailboxes.models import Message
from mailadmin.webmail.access import storage
from mailadmin.webmail.people import short_people
from mailadmin.webmail.search_query import parse_query
from mailcore.identity import AccountRef
from mailcore.index.records import ANSWERED, FLAGGED, SEEN, MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.search import search

PAGE_SIZE = 50
SHOWN = {"all": "All", "unread": "Unread", "flagged": "Flagged"}
# Folders of mail that one has written: the interesting name is the recipient's.
OUTGOING = frozenset({"\\Sent", "\\Drafts"})


@dataclass(frozen=True, slots=True)
class ListQuery:
    """What the list is asked for. `before` and `after` are UIDs: older than, newer than."""

    text: str = ""
    everywhere: bool = False
    shown: str = "all"
    before: int | None = None
    after: int | None = None

    def url_query(self, **changes: int | str | bool | None) -> str:
        """The query string for this list with some things changed; positions are dropped unless given."""
        values = {"q": self.text, "in": "text" if self.everywhere else "", "show": self.shown, **changes}
        kept = {name: value for name, value in values.items() if value not in (None, "", False) and value != "all"}
        return "?" + urlencode(kept) if kept else "?"


@dataclass(frozen=True, slots=True)
class ListRow:
    """One line of the list."""

    uid: int
    people: str
    subject: str
    at: datetime
    size: int
    is_unread: bool
    is_flagged: bool
    is_answered: bool
    has_attachments: bool
    is_readable: bool


@dataclass(frozen=True, slots=True)
class ListPage:
    """A page and how to get to its neighbours: query strings, "" where there is none."""

    rows: list[ListRow]
    first: int
    last: int
    total: int
    newer: str
    older: str


def list_page(account: AccountRef, mailbox: MailboxRecord, query: ListQuery) -> ListPage:
    """Read the page that `query` asks for."""
    place = _place_in(_found(account, mailbox, query), query) if query.text else _place_in_mailbox(mailbox, query)
    if not place.uids:
        return ListPage([], 0, 0, 0, "", "")
    rows = _rows(account, mailbox, place.uids)
    # The limits are UIDs of the page, not of what is left of it: a row may have vanished meanwhile.
    newest, oldest = place.uids[0], place.uids[-1]
    return ListPage(
        rows,
        place.before + 1,
        place.before + len(place.uids),
        place.before + len(place.uids) + place.behind,
        query.url_query(after=newest) if place.before else "",
        query.url_query(before=oldest) if place.behind else "",
    )


def neighbours(mailbox_id: int, uid: int) -> tuple[int | None, int | None]:
    """(next newer, next older) message of the mailbox."""
    rows = Message.objects.filter(mailbox_id=mailbox_id)
    newer = rows.filter(uid__gt=uid).order_by("uid").values_list("uid", flat=True).first()
    older = rows.filter(uid__lt=uid).order_by("-uid").values_list("uid", flat=True).first()
    return newer, older


@dataclass(frozen=True, slots=True)
class _Place:
    """The UIDs of a page, newest first, and how many messages are before and behind it."""

    uids: Sequence[int]
    before: int
    behind: int


def _place_in_mailbox(mailbox: MailboxRecord, query: ListQuery) -> _Place:
    """Read from the index as far as the page needs it; how many there are altogether says the mailbox's own counter."""
    rows = _shown(mailbox, query)
    uids = _uids_of_page(rows, query)
    before = rows.filter(uid__gt=uids[0]).count() if uids and (query.before or query.after) else 0
    counted = {"all": mailbox.messages, "unread": mailbox.unseen}.get(query.shown)
    if counted is not None and counted >= before + len(uids):
        return _Place(uids, before, counted - before - len(uids))
    return _Place(uids, before, rows.filter(uid__lt=uids[-1]).count() if uids else 0)


def _place_in(found: Sequence[int], query: ListQuery) -> _Place:
    """The page of a search's result, which is in memory anyway: UIDs in ascending order."""
    if query.after is not None:
        start = bisect_right(found, query.after)
        end = min(start + PAGE_SIZE, len(found))
    else:
        end = len(found) if query.before is None else bisect_left(found, query.before)
        start = max(end - PAGE_SIZE, 0)
    return _Place(list(reversed(found[start:end])), len(found) - end, start)


def _shown(mailbox: MailboxRecord, query: ListQuery) -> QuerySet[Message]:
    rows = Message.objects.filter(mailbox_id=mailbox.id)
    if query.shown == "unread":
        return rows.annotate(seen=F("flags").bitand(SEEN)).filter(seen=0)
    if query.shown == "flagged":
        return rows.annotate(flagged=F("flags").bitand(FLAGGED)).filter(flagged=FLAGGED)
    return rows


def _found(account: AccountRef, mailbox: MailboxRecord, query: ListQuery) -> list[int]:
    """What is searched for, among what is shown: UIDs in ascending order."""
    wanted = parse_query(query.text, everywhere=query.everywhere)
    uids = list(_shown(mailbox, query).order_by("uid").values_list("uid", flat=True))
    found = sorted(search(raw_connection(), storage(), account, mailbox, wanted.key, uids))
    if wanted.attachments is None or not found:
        return found
    fill_cache(account, mailbox, found)
    rows = Message.objects.filter(mailbox_id=mailbox.id, has_attachments=wanted.attachments)
    among = set(found)
    return [uid for uid in rows.order_by("uid").values_list("uid", flat=True) if uid in among]


def _uids_of_page(rows: QuerySet[Message], query: ListQuery) -> list[int]:
    """The UIDs of the page, newest first."""
    if query.after is not None:
        ascending = rows.filter(uid__gt=query.after).order_by("uid").values_list("uid", flat=True)[:PAGE_SIZE]
        return list(ascending)[::-1]
    if query.before is not None:
        rows = rows.filter(uid__lt=query.before)
    return list(rows.order_by("-uid").values_list("uid", flat=True)[:PAGE_SIZE])


def _rows(account: AccountRef, mailbox: MailboxRecord, uids: Sequence[int]) -> list[ListRow]:
    fill_cache(account, mailbox, uids)
    found = Message.objects.filter(mailbox_id=mailbox.id, uid__in=uids).order_by("-uid")
    outgoing = mailbox.special_use in OUTGOING
    return [_row(message, outgoing=outgoing) for message in found.defer("envelope", "body_structure", "store_key")]


def fill_cache(account: AccountRef, mailbox: MailboxRecord, uids: Sequence[int]) -> None:
    """Have mailcore read those of the messages that nobody has read yet."""
    # Asked the other way round when there are many: an IN of 200,000 numbers is slower than reading all that miss it.
    unread = Message.objects.filter(mailbox_id=mailbox.id, envelope__isnull=True)
    if len(uids) <= PAGE_SIZE:
        unread = unread.filter(uid__in=list(uids))
    wanted = set(uids)
    missing = [uid for uid in unread.order_by("uid").values_list("uid", flat=True) if uid in wanted]
    if missing:
        mailboxes.cached_rows(raw_connection(), storage(), account, mailbox, missing)


def _row(message: Message, *, outgoing: bool) -> ListRow:
    readable = message.subject is not None
    people = (message.recipients if outgoing else message.sender) or ""
    return ListRow(
        uid=message.uid,
        people=short_people(people) or ("(no recipient)" if outgoing else "(no sender)"),
        subject=(message.subject or "(no subject)") if readable else "(this message cannot be read)",
        at=message.sent_at or message.internal_date,
        size=message.size,
        is_unread=not message.flags & SEEN,
        is_flagged=bool(message.flags & FLAGGED),
        is_answered=bool(message.flags & ANSWERED),
        has_attachments=bool(message.has_attachments),
        is_readable=readable,
    )
