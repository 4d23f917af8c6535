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
from mailadmin.webmail.people import short_people
from mailadmin.webmail.search_query import SearchQuery, parse_query
from mailadmin.webmail.searching import ENOUGH, Found, fill_cache, narrowed, search_for
from mailcore.identity import AccountRef
from mailcore.index.index import uids_below
from mailcore.index.records import ANSWERED, FLAGGED, SEEN, MailboxRecord

PAGE_SIZE = 50
# How long a search looks for the messages of a page and those behind it, and how long for a count of the rest.
SEARCH_S = 0.16
COUNT_S = 0.05
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
    """A page and how to get to its neighbours: query strings, "" where there is none.

    A search that has not looked at everything found at least `total` messages; `first` is 0 if it cannot tell how many
    are newer than this page, and `searched_to` says how far it got if that was for want of time. `is_last_found`: of
    what it found nothing is older than this page.
    """

    rows: list[ListRow]
    first: int
    last: int
    total: int
    newer: str
    older: str
    is_counted: bool = True
    searched_to: datetime | None = None
    is_last_found: bool = False


def list_page(account: AccountRef, mailbox: MailboxRecord, query: ListQuery) -> ListPage:
    """Read the page that `query` asks for."""
    place = _place_in_search(account, mailbox, query) if query.text else _place_in_mailbox(mailbox, query)
    # The limits are UIDs of the page, not of what is left of it: a row may have vanished meanwhile.
    newest, oldest = (place.uids[0], place.uids[-1]) if place.uids else (None, None)
    older = oldest if place.behind else place.older_from
    newer = newest if place.before else place.newer_from
    knows_position = bool(place.uids) and place.newer_from is None
    return ListPage(
        _rows(account, mailbox, place.uids) if place.uids else [],
        first=place.before + 1 if knows_position else 0,
        last=place.before + len(place.uids),
        total=place.before + len(place.uids) + place.behind,
        newer=query.url_query(after=newer) if newer is not None else "",
        older=query.url_query(before=older) if older is not None else "",
        is_counted=place.older_from is None and place.newer_from is None,
        searched_to=_time_of(mailbox, place.older_from) if place.is_out_of_time else None,
        is_last_found=not place.behind,
    )


def neighbours(mailbox_id: int, uid: int) -> tuple[int | None, int | None]:
    """(next newer, next older) message of the mailbox."""
    rows = Message.objects.filter(mailbox_id=mailbox_id)
    newer = rows.filter(uid__gt=uid).order_by("uid").values_list("uid", flat=True).first()
    older = rows.filter(uid__lt=uid).order_by("-uid").values_list("uid", flat=True).first()
    return newer, older


@dataclass(frozen=True, slots=True)
class _Place:
    """The UIDs of a page, newest first, and how many messages are before and behind it. `older_from`, `newer_from`:
    where a search ended that has not looked at everything in that direction.
    """

    uids: Sequence[int]
    before: int
    behind: int
    older_from: int | None = None
    newer_from: int | None = None
    is_out_of_time: bool = False


def _place_in_mailbox(mailbox: MailboxRecord, query: ListQuery) -> _Place:
    """Read from the index as far as the page needs it; how many there are altogether says the mailbox's own counter."""
    rows = _shown(mailbox, query)
    uids = _uids_of_page(rows, query)
    before = rows.filter(uid__gt=uids[0]).count() if uids and (query.before or query.after) else 0
    counted = {"all": mailbox.messages, "unread": mailbox.unseen}.get(query.shown)
    if counted is not None and counted >= before + len(uids):
        return _Place(uids, before, counted - before - len(uids))
    return _Place(uids, before, rows.filter(uid__lt=uids[-1]).count() if uids else 0)


def _place_in_search(account: AccountRef, mailbox: MailboxRecord, query: ListQuery) -> _Place:
    """The page of what is searched for: first what is shown, then how much there is on the other side of it."""
    wanted = parse_query(query.text, everywhere=query.everywhere)
    shown = _uids_to_search(mailbox, query, wanted)

    def look(uids: Sequence[int], seconds: float) -> Found:
        return search_for(account, mailbox, wanted, uids, seconds)

    if query.after is not None:
        start = bisect_right(shown, query.after)
        newer, older = look(shown[start:], SEARCH_S), look(shown[:start][::-1], COUNT_S)
        page = newer.uids[:PAGE_SIZE][::-1]
        return _place(page, len(newer.uids) - len(page), len(older.uids), newer, older)
    start = len(shown) if query.before is None else bisect_left(shown, query.before)
    older, newer = look(shown[:start][::-1], SEARCH_S), look(shown[start:], COUNT_S)
    page = older.uids[:PAGE_SIZE]
    return _place(page, len(newer.uids), len(older.uids) - len(page), newer, older)


def _uids_to_search(mailbox: MailboxRecord, query: ListQuery, wanted: SearchQuery) -> list[int]:
    """What the search looks through, oldest first. All of a large mailbox are one value, not a row for each."""
    rows = _shown(mailbox, query)
    found = narrowed(rows, wanted)
    if query.shown == "all" and found is rows:
        return uids_below(raw_connection(), mailbox.id, mailbox.uidnext)
    return list(found.order_by("uid").values_list("uid", flat=True))


def _place(page: Sequence[int], before: int, behind: int, newer: Found, older: Found) -> _Place:
    is_out_of_time = older.reached is not None and len(older.uids) < ENOUGH
    return _Place(page, before, behind, older.reached, newer.reached, is_out_of_time)


def _time_of(mailbox: MailboxRecord, uid: int | None) -> datetime | None:
    return Message.objects.filter(mailbox_id=mailbox.id, uid=uid).values_list("internal_date", flat=True).first()


def _shown(mailbox: MailboxRecord, query: ListQuery) -> QuerySet[Message]:
    rows = Message.objects.filter(mailbox_id=mailbox.id)
    if query.shown == "unread":
        return rows.annotate(seen=F("flags").bitand(SEEN)).filter(seen=0)
    if query.shown == "flagged":
        return rows.annotate(flagged=F("flags").bitand(FLAGGED)).filter(flagged=FLAGGED)
    return rows


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
