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


OUTSIDE = "Your account may not be used from here"


@pytest.fixture
def moved(alice):
    """Signed in, and then tied to networks in which the browser is not."""
    alice.account.is_staff = alice.account.is_superuser = True
    alice.account.save()
    sign_in(alice.client)
    Account.objects.update(login_networks=["192.0.2.0/24"])
    return alice


@pytest.mark.parametrize("url", ["/mail/", "/mail/account/", "/admin/", "/admin/directory/account/"])
def test_who_may_not_sign_in_from_there_any_more_is_signed_out_and_told_why(moved, failures, url):
    page = moved.client.get(url)

    assert page.status_code == 403
    assert OUTSIDE in text_of(page) and "127.0.0.1" in text_of(page)
    assert page.headers["Cache-Control"] == "private, no-store"
    assert "default-src" in page.headers["Content-Security-Policy"]
    assert [event.reason for event in failures.events] == ["network not allowed"]
    Account.objects.update(login_networks=[])
    assert moved.client.get(url).status_code == 302, "signed out"


def test_nothing_is_done_for_who_is_sent_away(moved):
    response = moved.client.post("/mail/account/only-app-passwords/", {"only": "yes"})

    assert response.status_code == 403
    assert not Account.objects.get(pk=moved.account.pk).app_passwords_only


def test_who_is_inside_stays(moved):
    Account.objects.update(login_networks=["192.0.2.0/24", "127.0.0.0/8"])

    assert moved.client.get("/mail/account/").status_code == 200


@pytest.mark.parametrize("headers", [{"HX-Request": "true"}, {"Sec-Fetch-Dest": "empty"}, {"Sec-Fetch-Dest": "iframe"}])
def test_what_nobody_reads_is_refused_and_the_next_page_says_why(moved, headers):
    assert moved.client.get(moved.list_url(), headers=headers).status_code == 403

    assert OUTSIDE in text_of(moved.client.get("/mail/", headers={"Sec-Fetch-Dest": "document"}))


def test_the_api_refuses_in_its_own_way(moved):
    response = moved.client.get("/api/v1/accounts/")

    assert (response.status_code, response.headers["Content-Type"]) == (401, "application/problem+json")


def test_one_may_sign_in_as_somebody_else_afterwards(moved):
    other = Account.objects.create(address="bob@linuxadmin.dev", domain=moved.account.domain)
    other.set_password(PASSWORD)
    other.save()

    assert moved.client.get("/mail/login/").status_code == 403
    assert moved.client.get("/mail/login/").status_code == 200
    assert sign_in(moved.client, address="bob@linuxadmin.dev").status_code == 302


def test_who_signs_in_on_a_page_that_was_open_before_is_signed_in(moved):
    other = Account.objects.create(address="bob@linuxadmin.dev", domain=moved.account.domain)
    other.set_password(PASSWORD)
    other.save()

    assert sign_in(moved.client, address="bob@linuxadmin.dev").status_code == 302
    assert moved.client.get("/mail/account/").status_code == 200
