"""No page has an address with NUL in its path, and none of the panel in its query: 404.

PostgreSQL has no text with NUL, so a key or a filter with one would become an error of ours. The API says so in its own
way (mailadmin.api.base), so do the fields of forms, and the search of webmail leaves NUL out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from django.http import Http404, HttpRequest, HttpResponse

API, PANEL = "/api/", "/admin/"


class NoNul:
    """Middleware: no such page."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if _has_nul(request):
            raise Http404("an address with NUL")
        return self.get_response(request)


def _has_nul(request: HttpRequest) -> bool:
    if request.path.startswith(API):
        return False
    # Most queries have not even an escape of it.
    is_suspect = request.path.startswith(PANEL) and "%00" in request.META.get("QUERY_STRING", "")
    return "\0" in request.path or (is_suspect and any("\0" in text for text in _texts(request)))


def _texts(request: HttpRequest) -> Iterator[str]:
    for name, values in request.GET.lists():
        yield from (name, *values)
