"""Logging in to the panel and changing one's own password: Django's views, with what the panel adds to them."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.urls import reverse

from mailadmin.audit.record import Actor, record_new_password


def panel_login(request: HttpRequest) -> HttpResponseBase:
    """unfold's login form forgets where an administrator wants to go; without a place named, that is the panel."""
    if request.method == "GET" and "next" not in request.GET:
        query = urlencode({"next": reverse("admin:index")})
        return HttpResponseRedirect(f"{reverse('admin:login')}?{query}")
    return admin.site.login(request)


@transaction.atomic
def own_password(request: HttpRequest) -> HttpResponseBase:
    """Django's form, which asks for the old password; a change is a line of the audit log."""
    response = admin.site.password_change(request)
    if request.method == "POST" and response.status_code == 302:
        record_new_password(Actor.of_request(request), str(request.user))
    return response
