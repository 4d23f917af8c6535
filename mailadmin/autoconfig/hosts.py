"""What clients ask is answered on whatever host name; autoconfig.<domain> and autodiscover.<domain> serve nothing else.

A middleware and not only addresses of the panel: clients ask hosts that ALLOWED_HOSTS need not name, one pair for each
domain of ours, and the panel is not to be had there (docs/adr/0034-clients-set-themselves-up.md).
"""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound

from mailadmin.autoconfig import views
from mailadmin.autoconfig.served import HOST_PREFIXES, domain_of_host, served_domain

View = Callable[[HttpRequest], HttpResponse]

# Compared without regard to case: Outlook asks for /Autodiscover/Autodiscover.xml and others.
PATHS: dict[str, View] = {
    "/.well-known/autoconfig/mail/config-v1.1.xml": views.thunderbird,
    "/mail/config-v1.1.xml": views.thunderbird,
    "/autodiscover/autodiscover.xml": views.autodiscover,
}


class ClientSetup:
    """Middleware: answers PATHS itself, before host names are judged and sessions are looked up."""

    def __init__(self, get_response: View) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = PATHS.get(request.path_info.lower())
        if view is not None:
            response = views.limited(request) or view(request)
            response.headers["X-Content-Type-Options"] = "nosniff"
            return response
        if _is_for_clients(request.META.get("HTTP_HOST", "")):
            return HttpResponseNotFound()
        return self.get_response(request)


def _is_for_clients(host: str) -> bool:
    """autoconfig.<domain> or autodiscover.<domain> of a domain of ours."""
    return host.lower().startswith(HOST_PREFIXES) and served_domain(domain_of_host(host)) is not None
