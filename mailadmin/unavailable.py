"""The page for an error that no view has explained: 503 while the database is away, 500 for what is a bug.

Sessions are in the database, so every page of somebody who is signed in needs it, even before its own view begins. A
browser, and a balancer in front of several nodes, should know that it only has to ask again.
"""

from __future__ import annotations

import sys

import psycopg
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

RETRY_AFTER_S = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. The page needs neither the database nor the session."""
    if not isinstance(sys.exc_info()[1], OperationalError | InterfaceError | psycopg.OperationalError):
        return defaults.server_error(request)
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
