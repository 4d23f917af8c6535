"""The pages of the message trace: search, one message, one session."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mailadmin.database import raw_connection
from mailadmin.trace import queries
from mailadmin.trace.criteria import Criteria
from mailadmin.trace.forms import TraceForm
from mailadmin.trace.presenters import lines

STATE_TONES = {
    "refused": "bad", "bounced": "bad", "auth_failed": "bad", "deferred": "warn", "queued": "info",
    "accepted": "info", "delivered": "good", "relayed": "good", "seen": "", "deleted": "warn",
}  # fmt: skip
STATE_WORDS = {"relayed": "sent on", "auth_failed": "login failed", "queued": "in the queue", "seen": "mentioned"}


@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """The search form with its results, newest first, 50 to a page."""
    form = TraceForm(request.GET)
    page, searched = None, Criteria()
    if form.is_valid():
        searched = form.criteria()
        try:
            page = queries.search(raw_connection(), searched, cursor=request.GET.get("cursor") or None)
        except queries.CursorInvalid as error:
            raise Http404("This page of the trace does not exist.") from error
    rows = [(message, message.state, STATE_TONES.get(message.state, "")) for message in page.messages] if page else []
    narrow = request.GET.copy()
    narrow.pop("cursor", None)
    context = {
        "form": form,
        "rows": rows,
        "words": STATE_WORDS,
        "searched": any(getattr(searched, name) for name in searched.__slots__),
        "more_fields": any(request.GET.get(name) for name in form.fields if name != "q"),
        "next_cursor": page.next_cursor if page else None,
        "query": narrow.urlencode(),
        "first_page": not request.GET.get("cursor"),
    }
    return _page(request, "mailkeep/trace_search.html", "Message trace", context)


@require_safe
def message(request: HttpRequest, queue_id: str) -> HttpResponse:
    """The life of one message."""
    timeline = queries.timeline(raw_connection(), queue_id)
    if timeline is None:
        raise Http404("The trace knows no message with this queue id.")
    context = {**_told(timeline), "tone": STATE_TONES.get(timeline.summary.state if timeline.summary else "", "")}
    return _page(request, "mailkeep/trace_message.html", f"Message {queue_id}", context)


@require_safe
def message_events(request: HttpRequest, queue_id: str) -> HttpResponse:
    """Only the timeline, for other pages to include."""
    timeline = queries.timeline(raw_connection(), queue_id)
    return render(request, "mailkeep/trace_events.html", _told(timeline) if timeline else {"lines": []})


@require_safe
def session(request: HttpRequest, session_id: str) -> HttpResponse:
    """One connection of one client: what it tried, and what we said."""
    timeline = queries.session_timeline(raw_connection(), session_id)
    if timeline is None:
        raise Http404("The trace knows no such session.")
    return _page(request, "mailkeep/trace_session.html", f"Session {session_id}", _told(timeline))


def _told(timeline: queries.Timeline) -> dict[str, Any]:
    return {"timeline": timeline, "lines": lines(timeline.events)}


def _page(request: HttpRequest, template: str, title: str, context: dict[str, Any]) -> HttpResponse:
    frame = admin.site.each_context(request)
    return render(request, template, {**frame, "title": title, **context})
