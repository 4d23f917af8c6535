"""The panel as an administrator sees it: a logged-in client, and the objects most tests need."""

import functools

import pytest
from django.contrib.auth.hashers import make_password
from django.test import Client

from mailadmin import sign_in
from mailadmin.directory.models import Account, Domain
from mailadmin.directory.services import save_domain
from mailcore.maillog.event import AuthFailed
from mailcore.throttle.throttle import Throttle

PASSWORD = "correct horse battery"


class Failures:
    """Keeps the failed sign-ins that would go to the trace."""

    def __init__(self) -> None:
        self.events: list[AuthFailed] = []

    def record(self, event: AuthFailed) -> None:
        self.events.append(event)


@pytest.fixture(autouse=True)
def failures(monkeypatch: pytest.MonkeyPatch) -> Failures:
    """Nobody has failed yet, in any test; and what fails is kept."""
    throttle, kept = Throttle(None, lambda: 10), Failures()
    monkeypatch.setattr(sign_in, "_throttle", lambda url: throttle)
    monkeypatch.setattr(sign_in, "_recorder", lambda dsn: kept)
    return kept


@functools.cache
def hashed() -> str:
    """Hashing is slow on purpose: once for all tests."""
    return make_password(PASSWORD)


@pytest.fixture
def domain(db: None) -> Domain:
    """A local domain, without its system aliases: nobody is there yet to read them."""
    return save_domain(Domain(name="linuxadmin.dev"))


@pytest.fixture
def administrator(domain: Domain) -> Account:
    return Account.objects.create(
        address="admin@linuxadmin.dev", domain=domain, password=hashed(), is_staff=True, is_superuser=True
    )


@pytest.fixture
def alice(domain: Domain) -> Account:
    return Account.objects.create(address="alice@linuxadmin.dev", domain=domain, password=hashed())


@pytest.fixture
def panel(administrator: Account) -> Client:
    """A browser in which the administrator has logged in."""
    client = Client()
    client.force_login(administrator)
    return client
