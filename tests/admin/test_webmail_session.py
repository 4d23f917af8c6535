"""Signing in and out."""

from pathlib import Path

import pytest
from django.test import Client

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account
from mailadmin.sign_in import WAIT
from mailadmin.webmail.views import session
from mailcore.config.loader import load_snapshot
from mailcore.sasl.scram import keys_of
from tests.admin.panel_support import text_of
from tests.admin.webmail_support import PASSWORD, a_reader

pytestmark = pytest.mark.django_db


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


def test_guessing_is_slowed_down(alice, failures):
    for number in range(10):
        sign_in(alice.client, "wrong", f"bob{number % 2}@linuxadmin.dev")

    response = sign_in(alice.client)
    assert response.status_code == 401 and WAIT in response.content.decode()
    assert {event.reason for event in failures.events} == {"wrong name or password", "AuthenticationThrottled"}
    assert sign_in(Client(REMOTE_ADDR="192.0.2.1")).status_code == 302


def test_who_was_right_from_there_is_heard_while_others_guess(alice):
    sign_in(alice.client)
    for number in range(20):
        sign_in(Client(), "wrong", f"bob{number}@linuxadmin.dev")

    assert sign_in(Client()).status_code == 302


@pytest.mark.parametrize("url", ["/mail/login/", "/admin/login/?next=/admin/"])
def test_an_account_that_is_tied_to_networks_signs_in_only_there(alice, failures, url):
    alice.account.login_networks = ["192.0.2.0/24"]
    alice.account.is_staff = True
    alice.account.save()
    form = {"username": "alice@linuxadmin.dev", "password": PASSWORD}

    there, elsewhere = Client(REMOTE_ADDR="192.0.2.7"), Client(REMOTE_ADDR="198.51.100.7")
    assert there.post(url, form).status_code == 302
    refused = elsewhere.post(url, form)

    assert "sessionid" not in refused.cookies
    assert [event.reason for event in failures.events] == ["network not allowed"]
    wrong = elsewhere.post(url, {**form, "password": "wrong"})
    assert (refused.status_code, text_of(refused)) == (wrong.status_code, text_of(wrong))


def test_the_panel_has_the_same_throttle(alice):
    for number in range(10):
        sign_in(Client(), "wrong", f"bob{number}@linuxadmin.dev")

    response = Client().post("/admin/login/?next=/admin/", {"username": "alice@linuxadmin.dev", "password": PASSWORD})

    assert response.status_code == 200 and WAIT in response.content.decode()


def test_an_account_from_before_scram_can_do_it_after_signing_in(alice):
    Account.objects.update(scram_salt=None, scram_iterations=None, scram_stored_key=None, scram_server_key=None)

    sign_in(alice.client)

    alice.account.refresh_from_db()
    keys = keys_of(PASSWORD, bytes(alice.account.scram_salt), alice.account.scram_iterations)
    assert bytes(alice.account.scram_stored_key) == keys.stored_key


def test_a_password_that_scram_cannot_do_changes_no_configuration_at_each_sign_in(alice):
    alice.account.set_password("bell\u0007 and more")
    alice.account.save()
    before = load_snapshot(raw_connection()).generation

    assert sign_in(alice.client, "bell\u0007 and more").status_code == 302

    assert load_snapshot(raw_connection()).generation == before


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
