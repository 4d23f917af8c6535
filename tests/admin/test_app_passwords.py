"""App passwords on the account's own page, in the panel, and by API: made, shown once, revoked."""

import re
from pathlib import Path

import pytest
from django.test import Client

from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor
from mailadmin.database import raw_connection
from mailadmin.directory.app_passwords import MOST, make_app_password
from mailadmin.directory.models import Account, AppPassword, AppPasswordUse
from mailadmin.sign_in import WAIT
from mailcore.config.statements import GENERATION
from mailcore.directory.credential_rows import credentials_of
from mailcore.directory.credentials import has_secret_form
from mailcore.directory.statements import CREDENTIALS, NOTE_USES
from mailcore.sasl.scram import Keys, keys_of
from tests.admin.api_support import ApiClient, assert_problem
from tests.admin.panel_support import text_of
from tests.admin.webmail_support import PASSWORD, a_reader

pytestmark = pytest.mark.django_db
SHOWN = re.compile(r"ap-[a-z2-7]{26}")


@pytest.fixture
def reader(settings, mail_home: Path, redis_url):
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    reader = a_reader("alice@linuxadmin.dev", mail_home)
    reader.account.set_password(PASSWORD)
    reader.account.save()
    reader.client.force_login(reader.account)
    return reader


def credentials(account):
    """As the programs read them."""
    with raw_connection().cursor() as cursor:
        cursor.execute(CREDENTIALS, {"account_id": account.pk})
        names = [column.name for column in cursor.description]
        return credentials_of([dict(zip(names, row, strict=True)) for row in cursor])


def secret_of(response) -> str:
    assert response.status_code in (200, 201), response.content.decode()
    found = SHOWN.search(response.content.decode())
    assert found, response.content.decode()
    return found.group()


def ask(reader, fields, password=PASSWORD):
    """For a new app password, on one's own page."""
    return reader.client.post("/mail/account/", {**fields, "current_password": password})


def generation() -> int:
    return raw_connection().execute(GENERATION).fetchone()[0]


def test_one_is_made_on_ones_own_page_and_shown_once(reader):
    made = ask(reader, {"name": "phone", "protocols": ["imap", "smtp"], "networks": ""})
    secret = secret_of(made)

    assert has_secret_form(secret)
    assert "no-store" in made.headers["Cache-Control"]
    assert secret not in reader.page("/mail/account/")
    found = credentials(reader.account).app_password(secret)
    assert found.protocols == {"imap", "smtp"}
    assert not found.networks.networks


def test_scram_has_one_salt_for_the_password_and_all_app_passwords(reader):
    secrets = [secret_of(ask(reader, {"name": name, "protocols": ["imap"]})) for name in ("a", "b")]

    found = credentials(reader.account).key_set

    wanted = [keys_of(each, found.salt, found.iterations) for each in (PASSWORD, *secrets)]
    assert list(found.keys) == wanted


def test_a_changed_password_leaves_the_app_passwords_as_they_are(reader):
    secret = secret_of(ask(reader, {"name": "phone", "protocols": ["imap"]}))
    account = Account.objects.get(pk=reader.account.pk)
    account.set_password("another one, longer")
    account.save()

    found = credentials(account)
    assert keys_of(secret, found.salt, found.iterations) in found.key_set.keys
    assert keys_of("another one, longer", found.salt, found.iterations) == found.own_keys


def test_an_account_from_before_scram_gets_a_salt_with_its_first_app_password(reader):
    Account.objects.update(scram_salt=None, scram_iterations=None, scram_stored_key=None, scram_server_key=None)

    secret = secret_of(ask(reader, {"name": "phone", "protocols": ["imap"]}))

    found = credentials(reader.account)
    assert found.key_set.keys == (keys_of(secret, found.salt, found.iterations),)


def test_the_page_says_where_and_when_each_was_used(reader):
    ask(reader, {"name": "phone", "protocols": ["pop3"], "networks": "192.0.2.0/24"})
    used = AppPassword.objects.get()
    before = generation()
    raw_connection().execute(NOTE_USES, {"ids": [used.pk], "ats": ["2026-11-22 10:00Z"], "addresses": ["192.0.2.9"]})
    raw_connection().execute(NOTE_USES, {"ids": [used.pk], "ats": ["2026-11-21 10:00Z"], "addresses": ["192.0.2.1"]})

    page = reader.page("/mail/account/")

    assert "from 192.0.2.9" in page and "only from 192.0.2.0/24" in page and "POP3" in page
    assert generation() == before  # a use is no change of the configuration


def test_one_revokes_ones_own_and_nobody_elses(reader, mail_home):
    ask(reader, {"name": "phone", "protocols": ["imap"]})
    found, before = AppPassword.objects.get(), generation()
    other = a_reader("bob@linuxadmin.dev", mail_home)

    assert other.client.post(f"/mail/account/app-password/{found.pk}/revoke/").status_code == 404
    raw_connection().execute(NOTE_USES, {"ids": [found.pk], "ats": ["2026-11-22 10:00Z"], "addresses": ["::1"]})
    assert reader.client.get(f"/mail/account/app-password/{found.pk}/revoke/").status_code == 405
    assert reader.client.post(f"/mail/account/app-password/{found.pk}/revoke/").status_code == 302

    assert not AppPassword.objects.exists() and not AppPasswordUse.objects.exists()
    assert generation() > before  # so that every program hears of it
    raw_connection().execute(NOTE_USES, {"ids": [found.pk], "ats": ["2026-11-22 10:00Z"], "addresses": ["::1"]})


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"name": "", "protocols": ["imap"]}, "required"),
        ({"name": "x", "protocols": []}, "required"),
        ({"name": "x", "protocols": ["imap"], "networks": "192.0.2.1/24"}, "is not a network"),
        ({"name": "x" * 101, "protocols": ["imap"]}, "at most 100"),
    ],
)
def test_what_makes_no_app_password(reader, fields, complaint):
    response = ask(reader, fields)

    assert response.status_code == 400 and complaint in text_of(response)
    assert not AppPassword.objects.exists()


@pytest.mark.parametrize(
    ("typed", "complaint"),
    [("", "This field is required"), ("wrong", "not your password"), ("x" * 2000, "at most 1024")],
)
def test_a_borrowed_browser_makes_none(reader, typed, complaint):
    response = ask(reader, {"name": "phone", "protocols": ["imap"]}, typed)

    assert response.status_code == 400
    assert complaint in " ".join(response.context["form"].errors["current_password"])
    assert complaint in text_of(response) and not SHOWN.search(response.content.decode())
    assert not AppPassword.objects.exists()


def test_an_app_password_is_not_the_password_that_is_asked_for(reader):
    secret = secret_of(ask(reader, {"name": "phone", "protocols": ["imap"]}))

    assert ask(reader, {"name": "another", "protocols": ["imap"]}, secret).status_code == 400


def test_guesses_there_count_as_everywhere(reader):
    fields = {"name": "phone", "protocols": ["imap"]}
    for _ in range(20):
        ask(reader, fields, "wrong")

    response = ask(reader, fields)

    assert response.status_code == 400 and WAIT in text_of(response)
    assert not AppPassword.objects.exists()


def test_a_protocol_that_the_account_may_not_use_is_not_offered(reader):
    Account.objects.update(allow_pop3=False)

    assert "POP3" not in reader.page("/mail/account/")
    assert ask(reader, {"name": "x", "protocols": ["pop3"]}).status_code == 400


def test_there_is_a_limit(reader):
    for number in range(MOST):
        make_app_password(Actor("test"), reader.account, f"device {number}")

    response = ask(reader, {"name": "one more", "protocols": ["imap"]})

    assert response.status_code == 400 and "Revoke one" in text_of(response)


def test_mail_programs_may_be_made_to_need_one(reader):
    reader.client.post("/mail/account/only-app-passwords/", {"only": "yes"})
    assert credentials(reader.account).app_passwords_only
    assert "It opens only these pages" in reader.page("/mail/account/")

    reader.client.post("/mail/account/only-app-passwords/", {"only": "no"})
    assert not credentials(reader.account).app_passwords_only


def test_somebody_who_is_not_signed_in_sees_nothing(reader):
    for url in ("/mail/account/", "/mail/account/app-password/1/revoke/", "/mail/account/only-app-passwords/"):
        assert Client().post(url).status_code == 302


# The panel.


def test_an_administrator_makes_and_revokes_them(panel, alice):
    page = panel.get(f"/admin/directory/account/{alice.pk}/change/")
    assert "None: mail programs use" in text_of(page)

    made = panel.post(f"/admin/app-password/account/{alice.pk}/", {"name": "scanner", "protocols": ["smtp"]})
    secret = secret_of(made)

    assert "no-store" in made.headers["Cache-Control"]
    page = panel.get(f"/admin/directory/account/{alice.pk}/change/")
    assert "scanner" in text_of(page) and secret not in page.content.decode()
    found = AppPassword.objects.get()
    assert panel.post(f"/admin/app-password/{found.pk}/revoke/").status_code == 302
    assert not AppPassword.objects.exists()
    assert panel.post(f"/admin/app-password/{found.pk}/revoke/").status_code == 404
    assert panel.get("/admin/app-password/account/999999/").status_code == 404


def test_the_panels_pages_are_for_administrators(alice):
    client = Client()
    client.force_login(alice)

    assert client.post(f"/admin/app-password/account/{alice.pk}/", {"name": "x"}).status_code == 302
    assert not AppPassword.objects.exists()


def test_networks_and_quota_are_set_on_the_accounts_page(panel, alice):
    page = panel.get(f"/admin/directory/account/{alice.pk}/change/")
    form = {name: field.value() for name, field in ((f.name, f) for f in page.context["adminform"].form)}
    data = {name: value for name, value in form.items() if value not in (None, False)}
    response = panel.post(
        f"/admin/directory/account/{alice.pk}/change/",
        {**data, "login_networks": "192.0.2.0/24\n2001:db8::/32", "quota_messages": "5000", "app_passwords_only": "on"},
    )

    assert response.status_code == 302, response.context["adminform"].form.errors
    alice.refresh_from_db()
    assert alice.login_networks == ["192.0.2.0/24", "2001:db8::/32"]
    assert (alice.quota_messages, alice.app_passwords_only) == (5000, True)


# The API.


def test_the_api_makes_lists_and_revokes_them(alice):
    api = ApiClient("accounts:write")
    wanted = {"account": "Alice@linuxadmin.dev", "name": "backup", "protocols": ["imap"], "networks": ["2001:db8::/32"]}

    status, made = api.post("/app-passwords", wanted)

    assert status == 201 and has_secret_form(made["password"])
    assert credentials(alice).app_password(made["password"]).id == made["id"]
    status, listed = api.get("/app-passwords", account="alice@linuxadmin.dev")
    assert [(each["name"], each["protocols"], each["networks"]) for each in listed["results"]] == [
        ("backup", ["imap"], ["2001:db8::/32"])
    ]
    assert "password" not in listed["results"][0] and listed["results"][0]["last_used_at"] is None
    assert api.delete(f"/app-passwords/{made['id']}") == (204, None)
    assert api.get(f"/app-passwords/{made['id']}")[0] == 404


def test_the_api_says_what_is_wrong(alice, administrator):
    api = ApiClient("accounts:write")

    api.post("/app-passwords", {"account": "nobody@linuxadmin.dev", "name": "x"})
    assert_problem(api.response, 400, "account")
    api.post("/app-passwords", {"account": alice.address, "name": "x", "protocols": ["http"], "networks": ["x"]})
    assert_problem(api.response, 400, "networks", "protocols")
    api.post("/app-passwords", {"account": administrator.address, "name": "x"})
    assert_problem(api.response, 403)
    assert ApiClient("accounts:read").post("/app-passwords", {"account": alice.address, "name": "x"})[0] == 403
    status, _ = ApiClient("admin").post("/app-passwords", {"account": administrator.address, "name": "x"})
    assert status == 201


def test_the_api_sets_networks_of_an_account(alice):
    api = ApiClient("accounts:write")

    status, shown = api.patch(
        f"/accounts/{alice.address}", {"login_networks": ["192.0.2.7"], "app_passwords_only": True}
    )

    assert (status, shown["login_networks"], shown["app_passwords_only"]) == (200, ["192.0.2.7/32"], True)
    assert api.patch(f"/accounts/{alice.address}", {"login_networks": ["192.0.2.7/24"]})[0] == 400


def test_wrong_api_tokens_are_throttled_and_a_right_one_never(alice):
    wrong, right = ApiClient(), ApiClient("accounts:read")
    wrong.headers["Authorization"] = "Bearer mk_" + "x" * 40

    answers = [wrong.get("/accounts")[0] for _ in range(12)]

    assert answers == [401] * 10 + [429] * 2
    assert right.get("/accounts")[0] == 200


def test_no_secret_gets_into_the_audit_log(reader):
    secret = secret_of(ask(reader, {"name": "phone", "protocols": ["imap"]}))
    reader.client.post("/mail/account/only-app-passwords/", {"only": "yes"})
    found = credentials(reader.account)
    hidden = [secret, *(repr(each.stored_key) for each in found.key_set.keys), repr(found.salt), "memory at"]

    log = [repr(entry.changes) for entry in AuditEntry.objects.all()]

    assert len(log) == 2
    assert not [each for each in hidden if any(each in line for line in log)]


def test_keys_have_no_repr():
    assert "secret" not in repr(Keys(b"secret", b"secret"))
