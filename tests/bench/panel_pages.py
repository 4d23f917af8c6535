"""Every list of the panel, the API and webmail as an address, found in the admin registry and the API's router.

A new table in the panel or a new resource of the API is measured, and has its queries counted, without anybody having
to remember it here. Needs Django on a database with some rows in every table (tests/bench/panel_seed.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import psycopg
from django.contrib import admin
from django.contrib.admin.options import ModelAdmin
from django.contrib.admin.utils import get_fields_from_path
from django.db.models import ForeignKey, Model
from django.test import RequestFactory
from django.urls import NoReverseMatch, reverse

PANEL, API, MAIL = "panel", "API", "webmail"
CHOICES_TRIED = 3


@dataclass(frozen=True, slots=True)
class Page:
    """One request: where, and whom it belongs to (the panel and webmail want a session, the API a token)."""

    part: str
    name: str
    url: str
    method: str = "GET"
    form: tuple[tuple[str, str], ...] = ()


@contextmanager
def counted_queries(*, parameters: bool = False) -> Iterator[list[Any]]:
    """Collects every statement that goes over psycopg while the block runs: Django's, and mailcore's beside it."""
    found: list[Any] = []
    originals = {cls: cls.execute for cls in (psycopg.Cursor, psycopg.ServerCursor)}

    def counting(original: Callable[..., Any]) -> Callable[..., Any]:
        def execute(self: Any, query: Any, params: Any = None, **kwargs: Any) -> Any:
            found.append((str(query), params) if parameters else str(query))
            return original(self, query, params, **kwargs)

        return execute

    for cls, original in originals.items():
        cls.execute = counting(original)  # type: ignore[method-assign]
    try:
        yield found
    finally:
        for cls, original in originals.items():
            cls.execute = original  # type: ignore[method-assign]


def all_pages(user: Any) -> list[Page]:
    """What there is, in the order of the panel."""
    return [*panel_pages(user), *trace_pages(), *api_pages(), *mail_pages(user)]


def panel_pages(user: Any) -> Iterator[Page]:
    """The dashboard, and of every registered model its list in all variations, its forms and its choices."""
    yield Page(PANEL, "dashboard", reverse("admin:index"))
    yield Page(PANEL, "dashboard, live part", reverse("admin:dashboard_live"))
    yield Page(PANEL, "health", reverse("healthz"))
    yield Page(PANEL, "metrics", reverse("metrics"))
    yield Page(PANEL, "route test", reverse("admin:route_test") + "?recipient=user000002@big.example")
    for model, model_admin in admin.site._registry.items():
        yield from _model_pages(user, model, model_admin)


def _model_pages(user: Any, model: type[Model], model_admin: ModelAdmin) -> Iterator[Page]:
    words, where = str(model._meta.verbose_name_plural), f"{model._meta.app_label}_{model._meta.model_name}"
    listed = reverse(f"admin:{where}_changelist")
    request = RequestFactory().get(listed)
    request.user = user
    changelist = model_admin.get_changelist_instance(request)
    queries = {"": "", **_list_queries(request, model_admin, changelist)}
    if getattr(model_admin, "has_list_of_its_own", True):
        for name, query in queries.items():
            yield Page(PANEL, f"{words}: {name or 'first page'}", f"{listed}{query}")
    first = model._default_manager.order_by("-pk").first()
    if model_admin.has_add_permission(request):
        yield Page(PANEL, f"{words}: new", reverse(f"admin:{where}_add"))
    if first is not None:
        yield Page(PANEL, f"{words}: one", reverse(f"admin:{where}_change", args=[first.pk]))
        if model_admin.has_delete_permission(request):
            yield Page(PANEL, f"{words}: delete?", reverse(f"admin:{where}_delete", args=[first.pk]))
        yield from _actions(request, model_admin, words, listed, first.pk)
    yield from _autocomplete(model_admin, request, words)


def _list_queries(request: Any, model_admin: ModelAdmin, changelist: Any) -> dict[str, str]:
    queries: dict[str, str] = {}
    last = -(-changelist.result_count // changelist.list_per_page)
    queries["page in the middle"] = f"?p={max(last // 2, 1)}"
    queries["last page"] = f"?p={max(last, 1)}"
    for number, name in enumerate(changelist.list_display):
        if changelist.get_ordering_field(name):
            queries[f"by {name}"] = f"?o={number}"
            queries[f"by {name}, descending"] = f"?o=-{number}"
            queries[f"by {name}, last page"] = f"?o={number}&p={max(last, 1)}"
    for spec in changelist.filter_specs:
        queries |= _filter_queries(spec, changelist)
    for word in _words(model_admin):
        queries[f"search {word!r}"] = "?" + urlencode({"q": word})
    return queries


def _filter_queries(spec: Any, changelist: Any) -> dict[str, str]:
    """The first choices a filter offers; one without choices of its own is given the value of a row."""
    offered = [choice for choice in spec.choices(changelist) if choice.get("query_string")]
    if offered:
        return {
            f"{spec.title} = {choice['display']}": choice["query_string"] for choice in offered[1 : 1 + CHOICES_TRIED]
        }
    rows = changelist.model._default_manager.order_by()
    path = getattr(spec, "field_path", "") or spec.parameter_name
    value = rows.exclude(**{f"{path}__isnull": True}).values_list(path, flat=True).first()
    return {f"{spec.title} = {value}": "?" + urlencode({getattr(spec, "lookup_kwarg", path): value})}


def _words(model_admin: ModelAdmin) -> tuple[str, ...]:
    """A piece of one address, of very many, a short one, several words, and one that nobody has."""
    return ("er000123", "example", "us", "user0001 big.example", "nobody-at-all") if model_admin.search_fields else ()


def _actions(request: Any, model_admin: ModelAdmin, words: str, listed: str, pk: Any) -> Iterator[Page]:
    """The question that is asked before something is done to one row, and to all of the list."""
    for name in model_admin.get_actions(request):
        form = (("action", name), ("_selected_action", str(pk)), ("index", "0"))
        yield Page(PANEL, f"{words}: {name}?", listed, "POST", (*form, ("select_across", "0")))
        if name != "delete_selected":
            yield Page(PANEL, f"{words}: {name} all?", listed, "POST", (*form, ("select_across", "1")))


def _autocomplete(model_admin: ModelAdmin, request: Any, words: str) -> Iterator[Page]:
    """What the select fields and filters ask while somebody types."""
    wanted = dict.fromkeys(model_admin.get_autocomplete_fields(request), model_admin.model)
    for item in model_admin.get_list_filter(request):
        if isinstance(item, tuple) and "Autocomplete" in item[1].__name__:
            field = get_fields_from_path(model_admin.model, item[0])[-1]
            if isinstance(field, ForeignKey):
                wanted[field.name] = field.model
    for field_name, model in wanted.items():
        base = {"app_label": model._meta.app_label, "model_name": model._meta.model_name, "field_name": field_name}
        for term in ("", "d19", "example"):
            query = urlencode({**base, "term": term})
            yield Page(PANEL, f"{words}: choices of {field_name} {term!r}", f"{reverse('admin:autocomplete')}?{query}")


def trace_pages() -> Iterator[Page]:
    """The message trace: its search by everything it can be searched by, a message, a session."""
    from mailadmin.database import raw_connection

    for name, query in trace_queries().items():
        yield Page(PANEL, f"trace: {name}", f"{reverse('admin:trace_search')}?{urlencode(query)}")
        if name in ("everything", "outcome delivered"):
            from mailadmin.trace import queries
            from mailadmin.trace.criteria import Criteria

            page = queries.search(raw_connection(), Criteria(**query), limit=200)
            later = urlencode({**query, "cursor": page.next_cursor or ""})
            yield Page(PANEL, f"trace: {name}, later page", f"{reverse('admin:trace_search')}?{later}")
    queue_id, session_id = _one_traced()
    yield Page(PANEL, "trace: one message", reverse("admin:trace_message", args=[queue_id]))
    yield Page(PANEL, "trace: its events", reverse("admin:trace_message_events", args=[queue_id]))
    yield Page(PANEL, "trace: one session", reverse("admin:trace_session", args=[session_id]))


def trace_queries() -> dict[str, dict[str, str]]:
    """Everything that can be searched for, frequent and rare, alone and together."""
    from django.utils import timezone

    month = (timezone.now().replace(microsecond=0) - timezone.timedelta(days=30)).strftime("%Y-%m-%dT%H:%M")
    single = {
        "sender": "writer77@out77.example", "recipient": "user000123@big.example", "client": "192.0.0.77",
        "message_id": "<nothing@example>", "queue_id": _one_traced()[0],
    }  # fmt: skip
    queries = {"everything": {}, **{f"by {name}": {name: value} for name, value in single.items()}}
    queries |= {
        "sender's rare domain": {"sender": "@out77.example"},
        "recipient's frequent domain": {"recipient": "@big.example"},
        "recipient's domain that is not there": {"recipient": "@nowhere.example"},
        "sender that is not there": {"sender": "nobody@nowhere.example"},
        "client network": {"client": "192.0.1.0/24"},
        "client network that is not there": {"client": "10.9.0.0/16"},
        "two criteria": {"sender": "writer77@out77.example", "recipient": "user000123@big.example"},
        "two frequent criteria": {"recipient": "@big.example", "outcome": "delivered"},
        "since a month ago": {"since": month},
        "until a month ago": {"until": month},
        "until a month ago, delivered": {"until": month, "outcome": "delivered"},
    }
    for outcome in ("refused", "accepted", "delivered", "relayed", "deferred", "bounced", "auth_failed"):
        queries[f"outcome {outcome}"] = {"outcome": outcome}
        queries[f"{outcome}, until a month ago"] = {"outcome": outcome, "until": month}
        queries[f"{outcome} of a recipient"] = {"outcome": outcome, "recipient": "user000123@big.example"}
    return queries


def _one_traced() -> tuple[str, str]:
    from mailadmin.trace.models import TraceEvent

    found = TraceEvent.objects.filter(kind="accepted").order_by("-at").values_list("queue_id", "session_id").first()
    if found is None:
        raise LookupError("nothing in the trace")
    return found


def api_pages() -> Iterator[Page]:
    """Every list of the router: pages, filters, orders and searches; then what is no list."""
    from mailadmin.api.urls import VIEWSETS

    for prefix, viewset in VIEWSETS.items():
        listed = reverse(f"api:{prefix}-list")
        for name, query in {"first page": {}, **_api_queries(viewset)}.items():
            yield Page(API, f"{prefix}: {name}", f"{listed}?{urlencode(query)}")
        yield Page(API, f"{prefix}: as a page", f"{listed}?format=api")
    for name, query in trace_queries().items():
        yield Page(API, f"trace: {name}", f"{reverse('api:trace')}?{urlencode(query)}")
    queue_id, session_id = _one_traced()
    yield Page(API, "trace: one message", reverse("api:trace-message", args=[queue_id]))
    yield Page(API, "trace: one session", reverse("api:trace-session", args=[session_id]))
    for name in ("settings", "status", "index"):
        try:
            yield Page(API, name, reverse(f"api:{name}"))
        except NoReverseMatch:
            continue


def _api_queries(viewset: Any) -> dict[str, dict[str, Any]]:
    rows = viewset.queryset.model._default_manager
    count = rows.count()
    queries: dict[str, dict[str, Any]] = {
        "200 a page": {"limit": 200},
        "page in the middle": {"offset": count // 2},
        "last page": {"offset": max(count - 50, 0)},
    }
    for name in viewset.ordering_fields:
        queries[f"by {name}"] = {"ordering": name}
        queries[f"by {name}, descending"] = {"ordering": f"-{name}"}
        queries[f"by {name}, last page"] = {"ordering": name, "offset": max(count - 50, 0)}
    for name, field in viewset.filterset_class.base_filters.items():
        for value in _values(rows, name, field):
            queries[f"{name} = {value}"] = {name: value}
    return queries


def _values(rows: Any, name: str, field: Any) -> list[Any]:
    """What to ask a filter for."""
    known = {
        "domain": ["big.example", "d19.example"], "target": ["user000123@big.example"],
        "search": ["er000123", "example", "us", "user0001 big.example", "nobody-at-all"], "received_at": [],
        "recipient": ["guest123.1@out123.example"], "destination": ["out123.example"], "state": ["held", "waiting"],
        "unused_days": [30],
    }  # fmt: skip
    if name in known:
        return known[name]
    choices = [value for value, _ in field.extra.get("choices", ())]
    if choices:
        return choices[:CHOICES_TRIED]
    path = field.field_name
    value = rows.order_by().exclude(**{f"{path}__isnull": True}).values_list(path, flat=True).first()
    return ["true", "false"] if isinstance(value, bool) else [value]


def mail_pages(user: Any) -> Iterator[Page]:
    """Webmail of the account with the large folder."""
    from mailadmin.mailboxes.models import Mailbox

    inbox = Mailbox.objects.get(account_id=user.pk, name="INBOX")
    listed = reverse("webmail:list", args=[inbox.pk])
    middle, number = inbox.uidnext // 2, 10
    queries = {
        "first page": "", "page in the middle": f"?before={middle}", "last page": "?before=51",
        "the other way": f"?after={middle}", "unread": "?show=unread", "unread, deep": f"?show=unread&before={middle}",
        "flagged": "?show=flagged", "search": f"?q=Subject+{middle}", "search a sender": "?q=from:writer77",
        "search unread": "?q=is:unread", "attachments": "?q=has:attachment", "search that finds nothing": "?q=zebra",
        "search the text": "?q=word59999&in=text", "search the text, nothing": "?q=zebra&in=text",
        "search flagged of a sender": "?q=is:flagged+from:writer",
    }  # fmt: skip
    for name, query in queries.items():
        yield Page(MAIL, f"200,000 messages: {name}", f"{listed}{query}")
    yield Page(MAIL, "200,000 messages: news", reverse("webmail:news", args=[inbox.pk]))
    yield Page(MAIL, "compose", reverse("webmail:compose"))
    yield Page(MAIL, "message", reverse("webmail:message", args=[inbox.pk, number]))
