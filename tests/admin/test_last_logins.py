"""When and from where accounts were last used: written by the programs, shown in the panel, in webmail, by the API."""

from datetime import UTC, datetime, timedelta

import pytest
from django.test import Client
from django.utils import timezone

from mailadmin.database import raw_connection
from mailadmin.directory.models import Account, AccountLogin
from mailcore.config.statements import GENERATION
from mailcore.directory.last_logins import note_logins
from tests.admin.api_support import ApiClient
from tests.admin.panel_support import text_of
from tests.admin.webmail_support import a_reader

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 6, 20, 12, tzinfo=UTC)
ACCOUNTS = "/admin/directory/account/"


def note(account, protocol="imap", at=NOON, address="192.0.2.7"):
    pk = account if isinstance(account, int) else account.pk
    note_logins(raw_connection(), [(pk, protocol, at, address)])


def noted(account):
    rows = AccountLogin.objects.filter(account=account).order_by("protocol")
    return [(row.protocol, row.at, row.client_address) for row in rows]


@pytest.fixture
def bob(alice):
    return Account.objects.create_user("bob@linuxadmin.dev", None)


def test_a_login_is_noted_by_protocol_and_once_a_minute(alice):
    before = raw_connection().execute(GENERATION).fetchone()
    note(alice)
    note(alice, "pop3", NOON, "2001:db8::7")
    note(alice, at=NOON + timedelta(seconds=58), address="192.0.2.8")
    note(alice, at=NOON - timedelta(hours=1), address="192.0.2.9")
    assert noted(alice) == [("imap", NOON, "192.0.2.7"), ("pop3", NOON, "2001:db8::7")]

    later = NOON + timedelta(minutes=1)
    note(alice, at=later, address="192.0.2.8")

    assert noted(alice)[0] == ("imap", later, "192.0.2.8")
    assert raw_connection().execute(GENERATION).fetchone() == before  # no change of the configuration


def test_logins_go_with_their_account_and_none_is_noted_for_one_that_is_gone(bob):
    pk = bob.pk
    note(bob)
    raw_connection().execute("DELETE FROM account WHERE id = %s", [pk])
    note(pk)

    assert not AccountLogin.objects.exists()


def test_the_page_of_an_account_shows_each_protocol(panel, alice):
    url = f"{ACCOUNTS}{alice.pk}/change/"
    assert "Last logins never" in text_of(panel.get(url))
    note(alice, "smtp", NOON, "192.0.2.8")
    note(alice)
    note(alice, "web", NOON - timedelta(days=2), "")

    page = text_of(panel.get(url))

    assert "IMAP 2026-06-20 12:00:00 from 192.0.2.7" in page
    assert "Sending 2026-06-20 12:00:00 from 192.0.2.8" in page
    assert "Web pages 2026-06-18 12:00:00" in page and "Web pages 2026-06-18 12:00:00 from" not in page


def test_the_list_shows_and_sorts_by_the_latest_of_all(panel, alice, bob):
    carol = Account.objects.create_user("carol@linuxadmin.dev", None)
    now = timezone.now()
    note(alice, "web", now - timedelta(days=9))
    note(alice, "imap", now - timedelta(days=2, hours=3, minutes=1))
    note(bob, "pop3", now - timedelta(days=4, hours=5, minutes=1))

    page = panel.get(ACCOUNTS)
    assert "2 d 3 h ago" in text_of(page) and "4 d 5 h ago" in text_of(page) and "9 d" not in text_of(page)
    exactly = f"{now - timedelta(days=2, hours=3, minutes=1):%Y-%m-%d %H:%M:%S} UTC"
    assert f'title="{exactly}"' in page.content.decode()
    column = list(page.context["cl"].list_display).index("seen")
    orders = [
        [
            account.address.partition("@")[0]
            for account in panel.get(f"{ACCOUNTS}?o={way}{column}").context["cl"].result_list
        ]
        for way in ("", "-")
    ]

    mine = ["alice", "bob", "carol"]
    upwards, downwards = ([name for name in order if name in mine] for order in orders)
    assert upwards == ["carol", "bob", "alice"] and downwards == ["alice", "bob", "carol"]
    assert not carol.logins.exists()


def test_accounts_that_nobody_uses_are_found_and_new_ones_are_none_of_them(panel, alice, bob):
    Account.objects.filter(pk__in=[alice.pk, bob.pk]).update(created_at=timezone.now() - timedelta(days=200))
    note(alice, "web", timezone.now() - timedelta(days=100))
    note(bob, "web", timezone.now() - timedelta(days=100))
    note(bob, "imap", timezone.now() - timedelta(days=80))

    listed = {
        days: {account.address for account in panel.get(f"{ACCOUNTS}?unused_days={days}").context["cl"].result_list}
        for days in (30, 90, 365)
    }
    status, found = ApiClient("accounts:read").get("/accounts", unused_days=90)

    assert listed == {30: {alice.address, bob.address}, 90: {alice.address}, 365: set()}
    assert status == 200 and [each["address"] for each in found["results"]] == [alice.address]


def test_the_api_says_when_and_from_where(alice):
    api = ApiClient("accounts:write")
    status, shown = api.get(f"/accounts/{alice.address}")
    assert (status, shown["last_login"], shown["last_logins"]) == (200, None, [])
    note(alice)
    note(alice, "web", NOON + timedelta(hours=1), "")

    status, shown = api.patch(f"/accounts/{alice.address}", {"last_login": None, "last_logins": []})

    web, imap = "2026-06-20T13:00:00Z", "2026-06-20T12:00:00Z"
    assert status == 200 and shown["last_login"] == web
    assert sorted((each["protocol"], each["at"], each["client_address"]) for each in shown["last_logins"]) == [
        ("imap", imap, "192.0.2.7"),
        ("web", web, None),
    ]
    _, listed = api.get("/accounts", ordering="-last_login", search="alice")
    assert listed["results"][0]["last_logins"] == shown["last_logins"]


@pytest.mark.parametrize("days", ["0", "-1", "x", "36501", "1e300", "1.5"])
def test_the_api_takes_days_of_this_world(alice, days):
    status, _ = ApiClient("accounts:read").get("/accounts", unused_days=days)

    assert status == (200 if days == "1.5" else 400)


@pytest.mark.parametrize("url", ["/mail/login/", "/admin/login/?next=/admin/"])
def test_signing_in_on_the_web_is_noted_when_it_succeeds(settings, redis_url, alice, url):
    settings.REDIS_URL = redis_url
    alice.set_password("correct horse battery")
    alice.is_staff = True
    alice.save()
    form = {"username": alice.address, "password": "correct horse battery"}

    Client(REMOTE_ADDR="192.0.2.6").post(url, {**form, "password": "wrong"})
    assert noted(alice) == []
    assert Client(REMOTE_ADDR="192.0.2.7").post(url, form).status_code == 302

    ((protocol, at, address),) = noted(alice)
    assert (protocol, address) == ("web", "192.0.2.7")
    assert timezone.now() - at < timedelta(minutes=1)


def test_ones_own_page_shows_them(mail_home):
    reader = a_reader("alice@linuxadmin.dev", mail_home)
    assert "None is known" in reader.page("/mail/account/")
    note(reader.account, "pop3")

    page = reader.page("/mail/account/")

    assert "POP3" in page and "from 192.0.2.7" in page
