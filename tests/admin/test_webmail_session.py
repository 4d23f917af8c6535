"""Signing in and out."""

from pathlib import Path

import pytest
from django.test import Client

from mailadmin.webmail.sign_in_limit import MAX_FAILURES, WINDOW_S, SignInLimit
from mailadmin.webmail.views import session
from mailcore.clock import FakeClock
from tests.admin.webmail_support import PASSWORD, a_reader

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def nobody_has_failed_yet(monkeypatch):
    monkeypatch.setattr(session, "LIMIT", SignInLimit())


@pytest.fixture
def alice(settings, mail_home: Path, redis_url):
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    reader = a_reader("alice@linuxadmin.dev", mail_home)
    reader.account.set_password(PASSWORD)
    reader.account.save()
    reader.client = Client()
    return reader


def sign_in(client, password=PASSWORD, address="alice@linuxadmin.dev", **fields):
    return client.post("/mail/login/", {"username": address, "password": password, **fields})


def test_somebody_who_is_no_administrator_signs_in(alice):
    assert sign_in(alice.client, address=" Alice@LINUXADMIN.dev ").headers["Location"] == "/mail/"
    assert alice.client.get(alice.list_url()).status_code == 200
    assert alice.client.get("/mail/login/").headers["Location"] == "/mail/"


@pytest.mark.parametrize(("address", "password"), [("alice@linuxadmin.dev", "wrong"), ("nobody@x", PASSWORD), ("", "")])
def test_whatever_is_wrong_the_answer_is_the_same(alice, address, password):
    response = sign_in(alice.client, password, address)

    assert response.status_code == 401
    assert session.WRONG in response.content.decode()
    assert "sessionid" not in response.cookies


def test_a_disabled_account_stays_out(alice):
    alice.account.enabled = False
    alice.account.save()

    assert sign_in(alice.client).status_code == 401


def test_a_session_ends_with_the_account(alice):
    sign_in(alice.client)
    alice.account.enabled = False
    alice.account.save()

    assert alice.client.get(alice.list_url()).status_code == 302


@pytest.mark.parametrize(
    ("wanted", "location"),
    [
        ("/mail/folder/1/", "/mail/folder/1/"),
        ("https://evil.example/", "/mail/"),
        ("//evil.example", "/mail/"),
        ("javascript:alert(1)", "/mail/"),
    ],
)
def test_after_signing_in_to_where_one_wanted(alice, wanted, location):
    assert sign_in(alice.client, next=wanted).headers["Location"] == location


def test_guessing_is_slowed_down(alice):
    for _ in range(MAX_FAILURES):
        sign_in(alice.client, "wrong")

    response = sign_in(alice.client)
    assert response.status_code == 401 and session.WAIT in response.content.decode()


def test_the_limit_forgets():
    clock = FakeClock()
    limit = SignInLimit(clock)
    for _ in range(MAX_FAILURES):
        assert not limit.must_wait("192.0.2.1")
        limit.failed("192.0.2.1")

    assert limit.must_wait("192.0.2.1") and not limit.must_wait("192.0.2.2")
    clock.advance(WINDOW_S + 1)
    assert not limit.must_wait("192.0.2.1")


def test_signing_out_needs_a_form(alice):
    sign_in(alice.client)

    assert alice.client.get("/mail/logout/").status_code == 405
    assert alice.client.post("/mail/logout/").headers["Location"] == "/mail/login/"
    assert alice.client.get(alice.list_url()).status_code == 302


def test_forms_need_the_csrf_token(alice):
    alice.client = Client(enforce_csrf_checks=True)
    alice.client.force_login(alice.account)

    for url in ("/mail/login/", "/mail/logout/", f"{alice.list_url()}act/", "/mail/folder/"):
        assert alice.client.post(url, {"action": "empty"}).status_code == 403
