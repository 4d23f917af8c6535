"""Signing in through a browser, for webmail and panel alike: the throttle of all programs, networks, the trace.

What a form says is the same whatever is wrong. A right password leaves behind what SCRAM needs, where an account from
before SCRAM has none yet: only here is the password known to somebody who may write the account.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast

import redis
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.core.exceptions import ValidationError
from django.db import connection
from django.http import HttpRequest
from psycopg.conninfo import make_conninfo
from unfold.forms import AuthenticationForm as PanelAuthenticationForm

from mailadmin.audit.record import client_address
from mailadmin.directory.last_logins import note_web_login
from mailadmin.directory.models import SCRAM_FIELDS, Account
from mailadmin.transport.models import ServerSettings
from mailcore.config.loader import networks
from mailcore.events import publish
from mailcore.maillog.event import AuthFailed
from mailcore.maillog.record import Recorder
from mailcore.throttle.throttle import Throttle

NOT_YOURS = "This is not your password."
WAIT = "Too many attempts from your network. Wait a minute."
THROTTLED = "throttled"


class Throttled:
    """A login form that hears only whom the throttle lets through. Stands left of AuthenticationForm."""

    request: HttpRequest

    def clean(self) -> dict[str, Any]:
        """Raises ValidationError; its code is THROTTLED when nothing was checked."""
        client, name = client_of(self.request), str(self.cleaned_data.get("username", ""))  # type: ignore[attr-defined]
        if throttle().must_wait(client, name):
            record_failure(client, name, "AuthenticationThrottled")
            raise ValidationError(WAIT, code=THROTTLED)
        try:
            cleaned: dict[str, Any] = super().clean()  # type: ignore[misc]
        except ValidationError:
            throttle().failed(client, name)
            record_failure(client, name, "wrong name or password")
            raise
        account: Account | None = self.get_user()  # type: ignore[attr-defined]
        if account is not None:
            self._let_in(account, client, str(cleaned["password"]))
        return cleaned

    def _let_in(self, account: Account, client: str, password: str) -> None:
        throttle().succeeded(client, account.address)
        if is_outside(account, client):
            record_failure(client, account.address, "network not allowed")
            raise self.get_invalid_login_error()  # type: ignore[attr-defined]
        note_web_login(account, client_address(self.request))
        if account.scram_stored_key is None:
            account.make_verifier(password)
            # Some passwords have none (SASLprep); and a write is a change of configuration.
            if account.scram_stored_key is not None:
                account.save(update_fields=SCRAM_FIELDS)


class WebmailSignIn(Throttled, AuthenticationForm):
    """Of /mail/login/."""


class PanelSignIn(Throttled, PanelAuthenticationForm):
    """Of /admin/login/."""


def prove(request: HttpRequest, password: str) -> None:
    """Who is signed in knows the password, too: the browser may be borrowed. Guesses count as those at the door do.

    Raises ValidationError.
    """
    account, client = cast(Account, request.user), client_of(request)
    if throttle().must_wait(client, account.address):
        record_failure(client, account.address, "AuthenticationThrottled")
        raise ValidationError(WAIT, code=THROTTLED)
    if not account.check_password(password):
        throttle().failed(client, account.address)
        record_failure(client, account.address, "wrong password")
        raise ValidationError(NOT_YOURS)
    throttle().succeeded(client, account.address)


def is_outside(account: Account, client: str) -> bool:
    """Whether the account may not be used from there."""
    return bool(account.login_networks) and client not in networks(account.login_networks)


def client_of(request: HttpRequest) -> str:
    """The peer's address; what counts as one client where there is none (a Unix socket)."""
    return str(request.META.get("REMOTE_ADDR", ""))


def throttle() -> Throttle:
    """The one of this process."""
    return _throttle(settings.REDIS_URL)


def record_failure(client: str, name: str, reason: str) -> None:
    """A line of the maillog and the trace."""
    _recorder(_dsn()).record(
        AuthFailed(client_address=client, login=name[:255], protocol="web", reason=reason, mechanism="FORM")
    )


def _limit() -> int:
    return ServerSettings.objects.values_list("auth_failure_limit", flat=True).first() or 20


@lru_cache(maxsize=1)
def _throttle(url: str) -> Throttle:
    client: redis.Redis = publish.connect(url)
    return Throttle(client, _limit)


@lru_cache(maxsize=1)
def _recorder(dsn: str) -> Recorder:
    # One per process, made by the first request after gunicorn has forked.
    return Recorder(dsn, settings.MAIL_HOME / "log" / "maillog")


def _dsn() -> str:
    database = connection.settings_dict
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return make_conninfo("", **{name: database[key] for name, key in names.items() if database.get(key)})
