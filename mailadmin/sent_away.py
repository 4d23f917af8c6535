"""Who is signed in and has come to be outside of the networks the account may be used from: signed out, and told why.

Two middlewares. Like Django's, the first asks for the account only when a view wants to know it, and then it is nobody;
so whatever is done, webmail, panel or API, is done for nobody. The second answers with the page that says why. Who is
disabled or has another password is nobody by Django's own doing; tokens of the API belong to no account.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.functional import SimpleLazyObject

from mailadmin.directory.models import Account
from mailadmin.sign_in import client_of, is_outside, record_failure

API = "/api/"


class SignedIn(AuthenticationMiddleware):
    """In place of Django's: `request.user`, and `request.sent_away` when it would have been somebody."""

    def process_request(self, request: HttpRequest) -> None:
        """Django's own, and who must not be it."""
        super().process_request(request)
        request.sent_away = None  # type: ignore[attr-defined]
        request.user = SimpleLazyObject(partial(_user, request))  # type: ignore[assignment]


def _user(request: Any) -> Any:
    user = get_user(request)
    if isinstance(user, Account) and is_outside(user, client_of(request)):
        request.sent_away = user
        return AnonymousUser()
    return user


class SaysWhy:
    """Stands last, so that the others have their say about its page, too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        response = self.get_response(request)
        # Who has just signed in as another account is not held to what became of the first.
        if request.sent_away is None or request.user.is_authenticated or request.path.startswith(API):
            return response
        return _sign_out(request, request.sent_away)


def _sign_out(request: HttpRequest, account: Account) -> HttpResponse:
    client = client_of(request)
    if _is_read(request):
        record_failure(client, account.address, "network not allowed")
        request.session.flush()
    page = render(request, "sent_away.html", {"account": account.address, "client": client}, status=403)
    page.headers["Cache-Control"] = "private, no-store"
    return page


def _is_read(request: HttpRequest) -> bool:
    """Whether somebody sees the answer; what a script asks for, and frames, must not take the reason away."""
    return "HX-Request" not in request.headers and request.headers.get("Sec-Fetch-Dest", "document") == "document"
