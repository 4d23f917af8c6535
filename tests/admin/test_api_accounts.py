"""/api/v1/accounts/: passwords, rights, quota, and what becomes of the mail."""

from pathlib import Path

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher

from mailadmin.audit.models import AuditEntry
from mailadmin.directory.models import Account, Domain
from mailadmin.mailboxes.models import AccountUsage
from tests.admin.api_support import ApiClient, assert_problem

pytestmark = pytest.mark.django_db

GOOD = "correct horse battery"


@pytest.fixture
def domain():
    return Domain.objects.create(name="linuxadmin.dev")


@pytest.fixture
def api(domain):
    return ApiClient("accounts:write")


@pytest.fixture
def admin_api(domain):
    return ApiClient("admin")


def test_put_creates_an_account_that_can_log_in(api):
    status, body = api.put("/accounts/Alice@linuxadmin.dev/", {"password": GOOD, "display_name": "Alice"})

    account = Account.objects.get(address="alice@linuxadmin.dev")
    assert status == 201
    assert body["address"] == "alice@linuxadmin.dev" and body["domain"] == "linuxadmin.dev"
    assert account.check_password(GOOD)
    assert account.password.startswith("argon2$")
    assert "password" not in body


def test_put_again_replaces_and_keeps_the_password(api):
    api.put("/accounts/alice@linuxadmin.dev/", {"password": GOOD, "display_name": "Alice", "quota_bytes": 5})
    status, body = api.put("/accounts/alice@linuxadmin.dev/", {"address": "alice@linuxadmin.dev"})

    assert status == 200
    assert (body["display_name"], body["quota_bytes"]) == ("", 0)
    assert Account.objects.get().check_password(GOOD)


def test_without_a_password_nobody_can_log_in(api):
    api.post("/accounts/", {"address": "alice@linuxadmin.dev"})

    assert not Account.objects.get().has_usable_password()


def test_weak_passwords_are_refused(api):
    api.put("/accounts/alice@linuxadmin.dev/", {"password": "secret"})

    assert_problem(api.response, 400, "password")
    assert not Account.objects.exists()


def test_only_admin_may_skip_the_password_rules(api, admin_api):
    body = {"password": "secret", "skip_password_validation": True}

    api.put("/accounts/alice@linuxadmin.dev/", body)
    assert_problem(api.response, 403)
    assert admin_api.put("/accounts/alice@linuxadmin.dev/", body)[0] == 201
    assert Account.objects.get().check_password("secret")


def test_the_domain_must_exist_and_be_local(api):
    Domain.objects.create(name="relay.example", kind="relay")

    for address in ("a@nowhere.example", "a@relay.example"):
        api.post("/accounts/", {"address": address, "password": GOOD})
        assert_problem(api.response, 400, "address")


@pytest.mark.parametrize("address", ["", "alice", "@linuxadmin.dev", "a b@linuxadmin.dev", "a@b@linuxadmin.dev"])
def test_nonsense_is_no_address(api, address):
    api.post("/accounts/", {"address": address, "password": GOOD})

    assert_problem(api.response, 400, "address")


def test_patch_changes_only_what_it_says(api):
    api.put("/accounts/alice@linuxadmin.dev/", {"password": GOOD, "display_name": "Alice"})
    _, body = api.patch("/accounts/alice@linuxadmin.dev/", {"enabled": False, "allow_pop3": False})

    assert (body["enabled"], body["allow_pop3"], body["display_name"]) == (False, False, "Alice")
    api.patch("/accounts/alice@linuxadmin.dev/", {"address": "bob@linuxadmin.dev"})
    assert_problem(api.response, 400, "address")
    api.patch("/accounts/alice@linuxadmin.dev/", {"quota_bytes": -1})
    assert_problem(api.response, 400, "quota_bytes")


def test_the_store_can_change_only_while_it_is_empty(api):
    api.put("/accounts/bob@linuxadmin.dev/", {"password": GOOD})
    assert api.patch("/accounts/bob@linuxadmin.dev/", {"store": "mbox"})[1]["store"] == "mbox"
    assert api.put("/accounts/bob@linuxadmin.dev/", {})[1]["store"] == "mbox", "PUT leaves the store alone"

    AccountUsage.objects.create(account=Account.objects.get(), bytes=10, messages=1)
    api.patch("/accounts/bob@linuxadmin.dev/", {"store": "maildir"})
    assert_problem(api.response, 400, "store")


def test_a_token_without_admin_cannot_become_an_administrator(api, admin_api):
    api.put("/accounts/eve@linuxadmin.dev/", {"password": GOOD, "is_superuser": True, "is_staff": True})
    assert_problem(api.response, 403)
    root = {"password": GOOD, "is_superuser": True, "is_staff": True}
    assert admin_api.put("/accounts/root@linuxadmin.dev/", root)[0] == 201

    api.patch("/accounts/root@linuxadmin.dev/", {"password": "another good one"})
    assert_problem(api.response, 403)
    api.delete("/accounts/root@linuxadmin.dev/")
    assert_problem(api.response, 403)
    assert Account.objects.get(address="root@linuxadmin.dev").check_password(GOOD)


def test_the_last_administrator_stays(admin_api):
    Account.objects.create_superuser("root@linuxadmin.dev", GOOD)

    admin_api.delete("/accounts/root@linuxadmin.dev/")
    assert_problem(admin_api.response, 409)
    for change in ({"enabled": False}, {"is_superuser": False}):
        admin_api.patch("/accounts/root@linuxadmin.dev/", change)
        assert_problem(admin_api.response, 409)


@pytest.fixture
def mail_folder(settings, tmp_path):
    settings.MAIL_HOME = tmp_path
    folder = tmp_path / "mail" / "linuxadmin.dev" / "alice"
    (folder / "Maildir" / "new").mkdir(parents=True)
    (folder / "Maildir" / "new" / "1").write_text("Subject: x\n\n")
    return folder


@pytest.mark.parametrize(
    ("query", "stays"), [({}, True), ({"keep_mail": "true"}, True), ({"keep_mail": "false"}, False)]
)
def test_delete_says_what_becomes_of_the_mail(api, mail_folder: Path, django_capture_on_commit_callbacks, query, stays):
    Account.objects.create_user("alice@linuxadmin.dev", GOOD)
    with django_capture_on_commit_callbacks(execute=True):
        assert api.delete("/accounts/alice@linuxadmin.dev/", **query)[0] == 204

    assert not Account.objects.exists()
    assert mail_folder.exists() is stays
    assert list(mail_folder.parent.glob(".*")) == []


def test_a_wish_that_is_not_understood_deletes_nothing(api):
    Account.objects.create_user("alice@linuxadmin.dev", GOOD)

    api.delete("/accounts/alice@linuxadmin.dev/", keep_mail="perhaps")
    assert_problem(api.response, 400, "keep_mail")
    assert Account.objects.exists()


def test_filters(api):
    Domain.objects.create(name="other.example")
    for address in ("alice@linuxadmin.dev", "bob@linuxadmin.dev", "carol@other.example"):
        Account.objects.create_user(address, None)
    Account.objects.filter(address__startswith="bob").update(store="mbox", enabled=False)

    def found(**query):
        return [row["address"].partition("@")[0] for row in api.get("/accounts/", **query)[1]["results"]]

    assert found(domain="LINUXADMIN.dev") == ["alice", "bob"]
    assert found(enabled="false") == ["bob"]
    assert found(store="maildir", ordering="-address") == ["carol", "alice"]
    assert found(search="car other") == ["carol"]
    assert found(domain="nowhere.example") == []


def test_a_page_costs_the_same_whatever_its_size(api, django_assert_num_queries):
    for number in range(12):
        account = Account.objects.create_user(f"a{number}@linuxadmin.dev", None)
        AccountUsage.objects.create(account=account, bytes=number, messages=1)
    api.get("/accounts/", limit=1)
    with django_assert_num_queries(5):  # the token, the count, the keys, the accounts, their logins
        _, page = api.get("/accounts/")

    assert sum(row["used_bytes"] for row in page["results"]) == sum(range(12))


def test_the_audit_log_never_sees_a_password(api):
    api.put("/accounts/alice@linuxadmin.dev/", {"password": GOOD})
    api.patch("/accounts/alice@linuxadmin.dev/", {"password": "another good one"})

    text = str(list(AuditEntry.objects.values()))
    assert GOOD not in text and "argon2" not in text and "***" in text


def test_an_address_with_a_slash_and_a_plus_has_a_url(api):
    assert api.put("/accounts/a+b%2Fc@linuxadmin.dev/", {"password": GOOD})[0] == 201
    assert api.get("/accounts/a+b/c@linuxadmin.dev/")[1]["address"] == "a+b/c@linuxadmin.dev"


def test_provisioning_costs_one_hash_per_new_password(api, monkeypatch):
    hashed = []
    encode = Argon2PasswordHasher.encode
    monkeypatch.setattr(Argon2PasswordHasher, "encode", lambda self, *args: hashed.append(1) or encode(self, *args))

    api.put("/accounts/alice@linuxadmin.dev/", {"password": GOOD})
    assert len(hashed) == 1
    api.put("/accounts/alice@linuxadmin.dev/", {"display_name": "Alice"})
    assert len(hashed) == 1, "without a password in it a request hashes nothing"
