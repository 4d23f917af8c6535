"""/healthz and /metrics for machines, and the part of the dashboard that refreshes itself."""

from __future__ import annotations

import ipaddress

from django.http import HttpRequest, HttpResponse, HttpResponseForbidden, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from mailadmin.database import raw_connection
from mailadmin.status import dashboard
from mailadmin.status.health import check
from mailadmin.status.metrics import exposition
from mailadmin.transport.models import MyNetwork

PROMETHEUS_TEXT = "text/plain; version=0.0.4; charset=utf-8"


@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """200 when every component answers, else 503; a line for each, or JSON for who asks for it."""
    components = check()
    healthy = all(component.ok for component in components)
    status = 200 if healthy else 503
    if "application/json" in request.headers.get("Accept", "") or request.GET.get("format") == "json":
        body = {
            "status": "ok" if healthy else "failing",
            "components": {part.name: {"ok": part.ok, "words": part.words} for part in components},
        }
        return JsonResponse(body, status=status)
    lines = [f"{'ok  ' if part.ok else 'FAIL'} {part.name}: {part.words}" for part in components]
    return HttpResponse("\n".join(lines) + "\n", content_type="text/plain; charset=utf-8", status=status)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """For this machine, trusted networks and administrators; strangers need not know how busy the server is."""
    if not may_read_metrics(request):
        return HttpResponseForbidden(
            "Metrics are for this machine, for my networks and for administrators.\n", content_type="text/plain"
        )
    return HttpResponse(exposition(raw_connection()), content_type=PROMETHEUS_TEXT)


def may_read_metrics(request: HttpRequest) -> bool:
    """The client is this machine or in an enabled trusted network, or an administrator is logged in."""
    try:
        client = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return True  # a Unix socket: the reverse proxy of this machine decides
    if client.is_loopback or (request.user.is_authenticated and request.user.is_staff):
        return True
    trusted = MyNetwork.objects.filter(enabled=True).values_list("cidr", flat=True)
    return any(client in ipaddress.ip_network(cidr) for cidr in trusted)


@require_safe
def dashboard_live(request: HttpRequest) -> HttpResponse:
    """The figures, the workers and the disk, for the dashboard's own refresh."""
    return render(request, "mailkeep/dashboard_live.html", dashboard.live(raw_connection()))
