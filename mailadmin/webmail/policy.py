"""The headers of the viewer's pages: a strict Content-Security-Policy, no caching of mail, no referrer.

There is no inline script or style anywhere in the viewer, so nothing inline is allowed. A message's HTML has its own
address and its own, much stricter policy: a sandbox without scripts, forms and origin, that loads nothing but the
pictures of the message itself.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

import psycopg
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponseBase

from mailadmin.webmail.errors import answer_error
from mailcore.errors import MailError

View = Callable[..., HttpResponseBase]

PAGE = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "frame-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# For anything that came with a message and is handed out as a file.
FILE = "sandbox; default-src 'none'; frame-ancestors 'none'"
PRIVATE = "private, no-store"


def html_part_policy(origin: str, *, remote_allowed: bool) -> str:
    """For the page inside the frame. Its own pictures are named by origin: in a sandbox 'self' is nobody."""
    pictures = f"{origin} data:" + (" https: http:" if remote_allowed else "")
    return "; ".join(
        (
            "sandbox allow-popups allow-popups-to-escape-sandbox",
            "default-src 'none'",
            "style-src 'unsafe-inline'",
            f"img-src {pictures}",
            "form-action 'none'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        )
    )


def page(view: View) -> View:
    """A page of the viewer for somebody who is logged in."""
    return login_required(guarded(view), login_url="webmail:login")


def guarded(view: View) -> View:
    """A page of the viewer for anybody: headers and error pages, without asking who it is."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        response: HttpResponseBase
        try:
            response = view(request, *args, **kwargs)
        except (Http404, PermissionDenied, MailError, DatabaseError, psycopg.Error) as error:
            response = answer_error(request, error)
        response.headers.setdefault("Content-Security-Policy", PAGE)
        response.headers.setdefault("Cache-Control", PRIVATE)
        response.headers.setdefault("Referrer-Policy", "same-origin")
        return response

    return answer
