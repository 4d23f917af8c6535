"""The page for an error that no view has explained: 503 while the database is away or is newer than this program, 500
for what is a bug.

Sessions are in the database, so every page of somebody who is signed in needs it, even before its own view begins. A
browser, and a balancer in front of several nodes, should know that it only has to ask again.
"""

from __future__ import annotations

import logging
import sys

import psycopg
from django.db import DatabaseError, InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views import defaults

from mailadmin import schema_age

log = logging.getLogger(__name__)

RETRY_AFTER_S = 5


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500. The page needs neither the database nor the session."""
    error = sys.exc_info()[1]
    if isinstance(error, OperationalError | InterfaceError | psycopg.OperationalError):
        return _come_again("503.html")
    if isinstance(error, DatabaseError | psycopg.Error) and schema_age.is_newer():
        log.error("older_than_the_database: restart this program")
        return _come_again("upgraded.html")
    return defaults.server_error(request)


def _come_again(page: str) -> HttpResponse:
    return HttpResponse(render_to_string(page), status=503, headers={"Retry-After": str(RETRY_AFTER_S)})
