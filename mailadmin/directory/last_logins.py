"""When and from where accounts were last used, over every protocol and the web (AccountLogin), to the minute."""

from __future__ import annotations

from datetime import timedelta

from django.db.models import DateTimeField, Exists, Func, OuterRef, QuerySet, Subquery
from django.utils import timezone

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account, AccountLogin
from mailcore.directory.last_logins import note_logins

WORDS = {"imap": "IMAP", "pop3": "POP3", "smtp": "Sending", "web": "Web pages"}


def with_last_login(accounts: QuerySet[Account]) -> QuerySet[Account]:
    """Each with `last_login`, the latest over all protocols; None: never."""
    # As a plain function: Django's Max would group, which takes twice as long when all accounts are sorted by it.
    latest = Func("at", function="max", output_field=DateTimeField())
    logins = AccountLogin.objects.filter(account=OuterRef("pk")).annotate(latest=latest)
    return accounts.annotate(last_login=Subquery(logins.values("latest")))


def unused_for(accounts: QuerySet[Account], days: int) -> QuerySet[Account]:
    """Those that are older than that, and that nobody has logged in to for so long, whatever they did before."""
    since = timezone.now() - timedelta(days=days)
    lately = AccountLogin.objects.filter(account=OuterRef("pk"), at__gte=since)
    return accounts.filter(~Exists(lately), created_at__lt=since)


def last_logins(account: Account) -> list[tuple[str, AccountLogin]]:
    """What it was, in words, and when; the latest first."""
    found = sorted(account.logins.all(), key=lambda login: login.at, reverse=True)
    return [(WORDS.get(login.protocol, login.protocol), login) for login in found]


def note_web_login(account: Account, client: str | None) -> None:
    """Somebody has signed in through a browser, from the address `client`."""
    note_logins(raw_connection(), [(account.pk, "web", timezone.now(), client or "")])
