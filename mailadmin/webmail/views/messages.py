"""One message: read, its journey, its header fields, its source."""

import logging
from collections.abc import Callable
from typing import Any

from django.core import signing
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.views.decorators.http import require_GET

from mailadmin.database import raw_connection
from mailadmin.mailboxes.models import Message
from mailadmin.webmail import access
from mailadmin.webmail.listing import neighbours
from mailadmin.webmail.opened import Opened
from mailadmin.webmail.plain_text import paragraphs
from mailadmin.webmail.policy import page
from mailadmin.webmail.searching import fill_cache
from mailadmin.webmail.views.folders import frame
from mailcore.index.records import ANSWERED, FLAGGED, SEEN, FlagChange, FlagMode, Flags, MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.message.display import Display, decoded_headers, show
from mailcore.message.headers import headers_of
from mailcore.message.trace import journey

log = logging.getLogger(__name__)

INLINE_SALT = "mailkeep.webmail.inline"
MAX_SOURCE = 512 * 1024
MAX_HEADER = 256 * 1024


def read_message(opened: Opened, uid: int, limit: int | None = None) -> bytes:
    """The message in wire form, or its first `limit` bytes. Raises MessageGone."""
    with mailboxes.open_message(raw_connection(), access.storage(), opened.owner, opened.record, uid) as message:
        return message.read() if limit is None else message.read_range(0, limit)


def display(request: HttpRequest, mailbox: MailboxRecord, uid: int, data: bytes, *, remote: bool) -> Display | None:
    """The message for people; None if it cannot be taken apart, which is a bug worth a log line but no error page."""
    try:
        return show(data, _inline_url(request, mailbox, uid), remote_allowed=remote)
    except Exception:
        log.exception("message_not_displayable mailbox=%s uid=%s", mailbox.id, uid)
        return None


def _inline_url(request: HttpRequest, mailbox: MailboxRecord, uid: int) -> Callable[[str], str]:
    """Addresses for pictures inside the sandboxed frame. It has no cookies, so the address itself is the key."""

    def url(number: str) -> str:
        key = signing.dumps([request.user.pk, mailbox.id, uid, number], salt=INLINE_SALT)
        return request.build_absolute_uri(reverse("webmail:inline", args=[key]))

    return url


@page
@require_GET
def message(request: HttpRequest, mailbox_id: int, uid: int) -> HttpResponse:
    """The message itself. Looking at it marks it as read, as in any mail reader."""
    opened, row = _message_or_404(request, mailbox_id, uid)
    data = read_message(opened, uid)
    if not row.flags & SEEN and opened.may_mark_read:
        _mark_seen(opened, uid)
    remote = request.GET.get("images") == "1"
    shown = display(request, opened.record, uid, data, remote=remote)
    has_html = bool(shown and shown.html)
    as_text = not has_html or request.GET.get("as") == "text"
    context = {
        **_head(request, opened, row, "message"),
        "shown": shown,
        "has_html": has_html,
        "as_text": as_text,
        "remote": remote,
        "paragraphs": paragraphs(shown.text) if shown and as_text else [],
        "is_short": has_html and shown is not None and len(shown.text) < 600,
    }
    return render(request, "webmail/message.html", context)


@page
@require_GET
def message_journey(request: HttpRequest, mailbox_id: int, uid: int) -> HttpResponse:
    """The way the message took, from its Received fields: hop by hop with delay and TLS."""
    opened, row = _message_or_404(request, mailbox_id, uid)
    headers = headers_of(read_message(opened, uid, MAX_HEADER))
    stops = journey(headers)
    delays = [stop.delay_s for stop in stops if stop.delay_s is not None and stop.delay_s > 0]
    context = {
        **_head(request, opened, row, "journey"),
        "stops": [(stop, _bar(stop.delay_s, max(delays, default=0.0))) for stop in stops],
        "total_s": _total(stops),
        "trace_url": _trace_url(request, row),
    }
    return render(request, "webmail/journey.html", context)


@page
@require_GET
def message_headers(request: HttpRequest, mailbox_id: int, uid: int) -> HttpResponse:
    """Every header field, decoded, in its order."""
    opened, row = _message_or_404(request, mailbox_id, uid)
    headers = headers_of(read_message(opened, uid, MAX_HEADER))
    context = {**_head(request, opened, row, "headers"), "fields": decoded_headers(headers)}
    return render(request, "webmail/headers.html", context)


@page
@require_GET
def message_source(request: HttpRequest, mailbox_id: int, uid: int) -> HttpResponse:
    """The message as it is stored; what is longer can be downloaded."""
    opened, row = _message_or_404(request, mailbox_id, uid)
    data = read_message(opened, uid, MAX_SOURCE)
    context = {
        **_head(request, opened, row, "source"),
        "source": data.decode("utf-8", "replace").replace("\r\n", "\n").replace("\x00", "\ufffd"),
        "is_cut": row.size > len(data),
    }
    return render(request, "webmail/source.html", context)


def _message_or_404(request: HttpRequest, mailbox_id: int, uid: int) -> tuple[Opened, Message]:
    opened = access.opened_or_404(request, mailbox_id)
    rows = Message.objects.filter(mailbox_id=mailbox_id, uid=uid).defer("envelope", "body_structure")
    row = rows.first()
    if row is not None and row.subject is None:
        fill_cache(opened.owner, opened.record, [uid])
        row = rows.first()
    if row is None:
        raise Http404("There is no such message.")
    return opened, row


def _mark_seen(opened: Opened, uid: int) -> None:
    change = FlagChange(FlagMode.ADD, Flags(SEEN))
    mailboxes.set_flags(raw_connection(), access.storage(), opened.owner, opened.record, [uid], change)
    access.announce(opened.record.id)


def _head(request: HttpRequest, opened: Opened, row: Message, tab: str) -> dict[str, Any]:
    """What all pages about one message show: its place, its flags, its neighbours."""
    newer, older = neighbours(opened.record.id, row.uid)
    return {
        **frame(request, opened),
        "row": row,
        "tab": tab,
        "subject": row.subject or "(no subject)",
        "is_flagged": bool(row.flags & FLAGGED),
        "is_answered": bool(row.flags & ANSWERED),
        "newer": newer,
        "older": older,
        "here": request.get_full_path(),
    }


def _bar(delay_s: float | None, longest_s: float) -> int:
    """Length of a delay's bar in hundredths of the longest."""
    if delay_s is None or delay_s <= 0 or longest_s <= 0:
        return 0
    return max(2, round(100 * delay_s / longest_s))


def _total(stops: list[Any]) -> float | None:
    times = [stop.at for stop in stops if stop.at is not None]
    return (times[-1] - times[0]).total_seconds() if len(times) > 1 else None


def _trace_url(request: HttpRequest, row: Message) -> str:
    """For administrators: what this server knows about the message."""
    if not getattr(request.user, "is_staff", False) or not row.message_id:
        return ""
    try:
        return reverse("admin:trace_search", query={"message_id": row.message_id})
    except NoReverseMatch:
        return ""
