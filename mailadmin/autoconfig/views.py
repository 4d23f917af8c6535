"""What is answered to mail clients that set up an account. No login, no cookie, no look at any account."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseNotFound

from mailadmin.autoconfig import outlook
from mailadmin.autoconfig.rate_limit import RateLimit
from mailadmin.autoconfig.served import domain_of_host, served_domain, split_address
from mailadmin.autoconfig.thunderbird import client_config
from mailcore.throttle.failures import network_of

LIMIT = RateLimit()
XML = "application/xml; charset=utf-8"


def thunderbird(request: HttpRequest) -> HttpResponse:
    """GET config-v1.1.xml: for the domain of ?emailaddress=, else for that of the host."""
    if request.method not in ("GET", "HEAD"):
        return HttpResponseNotAllowed(["GET", "HEAD"])
    address = split_address(request.GET.get("emailaddress", ""))
    domain = served_domain(address[1] if address else domain_of_host(request.META.get("HTTP_HOST", "")))
    return HttpResponse(client_config(domain), content_type=XML) if domain else HttpResponseNotFound()


def autodiscover(request: HttpRequest) -> HttpResponse:
    """POST autodiscover.xml. Whatever is wrong with the request is said in the document, as the protocol wants it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    body = request.read(outlook.MAX_REQUEST + 1)
    if len(body) > outlook.MAX_REQUEST:
        return HttpResponse(status=413)
    return HttpResponse(_discovered(body), content_type=XML)


def _discovered(body: bytes) -> bytes:
    now = datetime.now(UTC)
    try:
        address = split_address(outlook.address_of_request(body))
    except outlook.BadRequest as bad:
        return outlook.error_response(bad.error, now)
    domain = served_domain(address[1]) if address else None
    if address is None or domain is None:
        return outlook.error_response(outlook.NO_SUCH_ADDRESS, now)
    return outlook.settings_response(domain, address[0])


def limited(request: HttpRequest) -> HttpResponse | None:
    """429 for who asks too often; None if the request may go on. Counted by network, as failed logins are."""
    wait = LIMIT.wait_of(network_of(request.META.get("REMOTE_ADDR", "")))
    return HttpResponse(status=429, headers={"Retry-After": str(wait)}) if wait else None
