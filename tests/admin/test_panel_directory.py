"""Domains, accounts and aliases: what the forms accept, and what they say beside which field."""

import pytest
from django.contrib.auth.hashers import check_password
from django.urls import reverse

from mailadmin.audit.models import AuditEntry
from mailadmin.directory.models import Account, Alias, Domain
from mailadmin.mailboxes.models import AccountUsage, Mailbox
from mailadmin.transport.models import ServerSettings
from tests.admin.conftest import PASSWORD
from tests.admin.panel_support import errors_of, messages_of, text_of

DOMAIN_ADD = "/admin/directory/domain/add/"
ACCOUNT_ADD = "/admin/directory/account/add/"
ALIAS_ADD = "/admin/directory/alias/add/"


def a_domain(**changes):
    return {"name": "example.org", "kind": "local", "alias_of": "", "enabled": "on", "description": "", **changes}


def an_account(**changes):
    fields = {
        "address": "bob@linuxadmin.dev", "password": "a good long secret", "display_name": "Bob", "quota_bytes": "2 GB",
        "store": "mbox", "enabled": "on", "allow_imap": "on", "allow_smtp": "on",
    }  # fmt: skip
    return {**fields, **changes}


def an_alias(**changes):
    fields = {"address": "sales@linuxadmin.dev", "targets": "alice@linuxadmin.dev", "enabled": "on", "note": ""}
    return {**fields, **changes}


def test_new_local_domain_comes_with_its_system_aliases(panel):
    response = panel.post(DOMAIN_ADD, a_domain(name="Bücher.Example"))

    assert response.status_code == 302
    domain = Domain.objects.get(name="xn--bcher-kva.example")
    targets = {alias.address.partition("@")[0]: alias.targets for alias in domain.aliases.all()}
    assert targets == {name: ["admin@linuxadmin.dev"] for name in ("postmaster", "abuse", "root")}
    assert "postmaster@xn--bcher-kva.example" in messages_of(response)


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"name": "not a domain"}, "name", "not a valid domain name"),
        ({"name": "[192.0.2.1]"}, "name", "address literal"),
        ({"name": "linuxadmin.dev"}, "name", "already exists"),
        ({"name": ""}, "name", "required"),
        ({"kind": "alias"}, "alias_of", "Name the local domain"),
        ({"kind": "relay", "alias_of": "linuxadmin.dev"}, "alias_of", "Only an alias domain"),
    ],
)
def test_domain_form_complains_beside_the_field(panel, changes, field, words):
    response = panel.post(DOMAIN_ADD, a_domain(**changes))

    assert words in " ".join(errors_of(response)[field])


def test_domain_with_accounts_stays_local(panel, alice):
    response = panel.post("/admin/directory/domain/linuxadmin.dev/change/", a_domain(kind="relay"))

    assert "2 accounts live in this domain" in errors_of(response)["kind"][0]


def test_domain_with_accounts_cannot_be_deleted(panel):
    response = panel.get("/admin/directory/domain/linuxadmin.dev/delete/")

    assert "1 accounts of linuxadmin.dev: delete them first" in text_of(response)
    panel.post("/admin/directory/domain/linuxadmin.dev/delete/", {"post": "yes"})
    assert Domain.objects.filter(name="linuxadmin.dev").exists()


def test_domain_page_shows_dns_records_and_client_settings(panel, settings):
    ServerSettings.objects.update(myhostname="mail.linuxadmin.dev")
    settings.MAIL_PORTS = {**settings.MAIL_PORTS, "imaps": 993, "pop3": 0}
    settings.PUBLIC_URL = "https://panel.linuxadmin.dev"

    page = text_of(panel.get("/admin/directory/domain/linuxadmin.dev/change/"))

    assert "10 mail.linuxadmin.dev." in page
    assert "v=spf1 mx -all" in page
    assert "_imaps._tcp.linuxadmin.dev SRV 0 1 993 mail.linuxadmin.dev." in page
    assert "_imap._tcp.linuxadmin.dev SRV 1 1 2143 mail.linuxadmin.dev." in page
    assert "_pop3._tcp.linuxadmin.dev SRV 0 0 0 . There is no POP3 with STARTTLS here." in page
    assert "_submission._tcp.linuxadmin.dev SRV 5 1 2587 mail.linuxadmin.dev." in page
    assert "autoconfig.linuxadmin.dev CNAME panel.linuxadmin.dev." in page
    assert "autodiscover.linuxadmin.dev CNAME panel.linuxadmin.dev." in page
    assert "POP3 fetching mail.linuxadmin.dev 2995" in page
    assert "STARTTLS" in page


def test_account_is_made_by_address_and_password(panel):
    response = panel.post(ACCOUNT_ADD, an_account(address="Bob@LinuxAdmin.dev"))

    assert response.status_code == 302, errors_of(response)
    bob = Account.objects.get(address="bob@linuxadmin.dev")
    assert bob.password.startswith("argon2") and check_password("a good long secret", bob.password)
    assert (bob.quota_bytes, bob.store, bob.allow_imap, bob.allow_pop3) == (2 << 30, "mbox", True, False)
    assert not bob.is_staff and not bob.is_superuser


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"address": "bob"}, "address", "no @"),
        ({"address": "b ob@linuxadmin.dev"}, "address", "not a valid part before the @"),
        ({"address": "bob@nowhere.example"}, "address", "There is no domain nowhere.example yet"),
        ({"address": "bob@relay.example"}, "address", "relay domain"),
        ({"address": "bob@alias.example"}, "address", "its addresses are those of linuxadmin.dev"),
        ({"address": "alice@linuxadmin.dev"}, "address", "already exists"),
        ({"address": "root@linuxadmin.dev"}, "address", "There is an alias with this address"),
        ({"password": "short"}, "password", "too short"),
        ({"password": "password123"}, "password", "too common"),
        ({"password": ""}, "password", "required"),
        ({"quota_bytes": "much"}, "quota_bytes", "Write a size"),
        ({"quota_bytes": "-5 MB"}, "quota_bytes", "Write a size"),
        ({"quota_bytes": "99999999999 TB"}, "quota_bytes", "Write a size"),
        ({"store": "dbox"}, "store", "valid choice"),
    ],
)
def test_account_form_complains_beside_the_field(panel, alice, domain, changes, field, words):
    Domain.objects.create(name="relay.example", kind="relay")
    Domain.objects.create(name="alias.example", kind="alias", alias_of=domain)
    Alias.objects.create(address="root@linuxadmin.dev", targets=["admin@linuxadmin.dev"])

    response = panel.post(ACCOUNT_ADD, an_account(**changes))

    assert words in " ".join(errors_of(response)[field])
    assert not Account.objects.filter(address__startswith="bob").exists()


@pytest.mark.parametrize(
    ("typed", "stored", "shown"),
    [("", 0, "unlimited"), ("unlimited", 0, "unlimited"), ("1.5 GB", 1536 << 20, "1536 MB"), ("1000", 1000, "1000")],
)
def test_quota_is_shown_as_it_can_be_typed(panel, alice, typed, stored, shown):
    url = f"/admin/directory/account/{alice.pk}/change/"

    panel.post(url, an_account(quota_bytes=typed))

    alice.refresh_from_db()
    assert alice.quota_bytes == stored
    assert f'value="{shown}"' in panel.get(url).content.decode()


def test_account_page_shows_usage_and_client_settings(panel, alice):
    Account.objects.filter(pk=alice.pk).update(quota_bytes=1000, allow_pop3=False)
    AccountUsage.objects.create(account=alice, bytes=900, messages=3)
    Alias.objects.create(address="info@linuxadmin.dev", targets=["alice@linuxadmin.dev"])

    page = text_of(panel.get(f"/admin/directory/account/{alice.pk}/change/"))

    assert "900 B of 1000 B · 90 %" in page
    assert "IMAP reading" in page and "POP3 fetching" not in page
    assert "info@linuxadmin.dev" in page


def test_address_and_store_of_an_account_do_not_change(panel, alice):
    panel.post(f"/admin/directory/account/{alice.pk}/change/", an_account(address="eve@linuxadmin.dev", store="mbox"))

    alice.refresh_from_db()
    assert (alice.address, alice.store) == ("alice@linuxadmin.dev", "maildir")


def test_new_password_is_in_force_and_not_in_the_audit_log(panel, alice):
    url = f"/admin/directory/account/{alice.pk}/password/"
    assert panel.get(url).status_code == 200

    response = panel.post(url, {"password": "another long secret", "again": "another long secret"})

    assert response.status_code == 302
    alice.refresh_from_db()
    assert alice.check_password("another long secret")
    entry = AuditEntry.objects.get(object_key="alice@linuxadmin.dev", action="changed")
    assert entry.changes == {"password": ["***", "***"]}


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"password": "another long secret", "again": "a different secret"}, "again"),
        ({"password": "12345678", "again": "12345678"}, "password"),
        ({"password": "", "again": ""}, "password"),
    ],
)
def test_password_form_complains_beside_the_field(panel, alice, fields, field):
    before = alice.password

    response = panel.post(f"/admin/directory/account/{alice.pk}/password/", fields)

    assert field in errors_of(response)
    alice.refresh_from_db()
    assert alice.password == before


def test_password_page_of_nobody_does_not_exist(panel):
    assert panel.get("/admin/directory/account/999999/password/").status_code == 404


def test_the_last_administrator_cannot_be_locked_out(panel, administrator):
    url = f"/admin/directory/account/{administrator.pk}/"

    errors = errors_of(panel.post(url + "change/", {"display_name": "", "quota_bytes": ""}))

    assert "last administrator" in errors["enabled"][0] and "last administrator" in errors["is_staff"][0]
    assert panel.post(url + "delete/", {"post": "yes"}).status_code == 403
    assert Account.objects.filter(pk=administrator.pk).exists()


def test_administrators_have_all_rights(panel, alice):
    panel.post(f"/admin/directory/account/{alice.pk}/change/", an_account(is_staff="on"))

    alice.refresh_from_db()
    assert alice.is_staff and alice.is_superuser

    panel.post(f"/admin/directory/account/{alice.pk}/change/", an_account())
    alice.refresh_from_db()
    assert not alice.is_staff and not alice.is_superuser


@pytest.mark.parametrize(("keep", "left"), [(False, False), (True, True)])
def test_deleting_an_account_removes_its_mail_unless_told_otherwise(
    panel, alice, settings, tmp_path, django_capture_on_commit_callbacks, keep, left
):
    settings.MAIL_HOME = tmp_path
    folder = tmp_path / "mail" / "linuxadmin.dev" / "alice" / "Maildir"
    folder.mkdir(parents=True)
    Mailbox.objects.create(account=alice, name="INBOX", uidvalidity=1)
    url = f"/admin/directory/account/{alice.pk}/delete/"
    assert "Delete the account" in text_of(panel.get(url))

    with django_capture_on_commit_callbacks(execute=True):
        response = panel.post(url, {"post": "yes", **({"keep_mail": "1"} if keep else {})})

    assert response.status_code == 302
    assert not Account.objects.filter(pk=alice.pk).exists()
    assert folder.exists() is left


def test_several_accounts_are_deleted_at_once_but_never_oneself(panel, alice, administrator):
    chosen = {"action": "delete_selected", "_selected_action": [alice.pk, administrator.pk], "post": "yes"}
    panel.post("/admin/directory/account/", chosen)
    assert Account.objects.count() == 2

    panel.post("/admin/directory/account/", {**chosen, "_selected_action": [alice.pk]})
    assert list(Account.objects.all()) == [administrator]


def test_alias_to_several_targets_one_per_line(panel, alice):
    typed = "Alice@LinuxAdmin.dev\n\n friend@Elsewhere.Example , alice@linuxadmin.dev\n:include:/etc/team, old"

    response = panel.post(ALIAS_ADD, an_alias(address="Sales@linuxadmin.dev", targets=typed))

    assert response.status_code == 302, errors_of(response)
    alias = Alias.objects.get(address="sales@linuxadmin.dev")
    assert alias.targets == ["alice@linuxadmin.dev", "friend@elsewhere.example", ":include:/etc/team, old"]


def test_catch_all(panel):
    assert panel.post(ALIAS_ADD, an_alias(address="@linuxadmin.dev", targets="admin@linuxadmin.dev")).status_code == 302
    assert Alias.objects.filter(address="@linuxadmin.dev").exists()


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"targets": "alice@linuxadmin.dev\nno address"}, "targets", "no address: "),
        ({"targets": ":include:../secret"}, "targets", "lists folder"),
        ({"targets": " \n"}, "targets", "required"),
        ({"targets": "sales@linuxadmin.dev"}, "targets", "loop: sales@linuxadmin.dev → sales@linuxadmin.dev"),
        ({"targets": "first@linuxadmin.dev"}, "targets", "→ second@linuxadmin.dev → sales@linuxadmin.dev"),
        ({"address": "sales@elsewhere.example"}, "address", "There is no domain elsewhere.example yet"),
        ({"address": "@"}, "address", "not a valid domain"),
        ({"address": "first@linuxadmin.dev"}, "address", "already exists"),
    ],
)
def test_alias_form_complains_beside_the_field(panel, alice, changes, field, words):
    Alias.objects.create(address="first@linuxadmin.dev", targets=["second@linuxadmin.dev"])
    Alias.objects.create(address="second@linuxadmin.dev", targets=["sales@linuxadmin.dev"])

    response = panel.post(ALIAS_ADD, an_alias(**changes))

    assert words in " ".join(errors_of(response)[field])


def test_loop_through_a_catch_all_is_found(panel):
    Alias.objects.create(address="@linuxadmin.dev", targets=["sales@linuxadmin.dev"])

    errors = errors_of(panel.post(ALIAS_ADD, an_alias(targets="typo@linuxadmin.dev")))

    assert "loop: sales@linuxadmin.dev → typo@linuxadmin.dev → sales@linuxadmin.dev" in errors["targets"][0]


def test_account_may_keep_a_copy_for_itself(panel, alice):
    typed = an_alias(address="alice@linuxadmin.dev", targets="alice@linuxadmin.dev\nx@y.example")

    response = panel.post(ALIAS_ADD, typed)

    assert response.status_code == 302, errors_of(response)


def test_unknown_local_target_is_a_warning_not_an_error(panel):
    response = panel.post(ALIAS_ADD, an_alias(targets="admin@linuxadmin.dev\nnobody@linuxadmin.dev"))

    assert response.status_code == 302
    assert "Nobody here knows nobody@linuxadmin.dev" in messages_of(response)
    assert "admin@linuxadmin.dev" not in messages_of(response).partition("Nobody here")[2]


def test_history_of_an_object_is_its_audit_log(panel):
    panel.post(DOMAIN_ADD, a_domain())
    panel.post("/admin/directory/domain/example.org/change/", a_domain(description="Ours since 2001"))

    page = text_of(panel.get(reverse("admin:directory_domain_history", args=["example.org"]), follow=True))

    assert "description – → Ours since 2001" in page or "Ours since 2001" in page
    actions = AuditEntry.objects.filter(object_key="example.org").order_by("id").values_list("action", flat=True)
    assert list(actions) == ["created", "changed"]
    assert AuditEntry.objects.filter(actor="admin@linuxadmin.dev", client_address="127.0.0.1").count() >= 2


def test_saving_without_a_change_writes_no_audit_line(panel):
    panel.post(DOMAIN_ADD, a_domain())
    before = AuditEntry.objects.count()

    panel.post("/admin/directory/domain/example.org/change/", a_domain())

    assert AuditEntry.objects.count() == before


def test_created_account_is_audited_without_its_password(panel):
    panel.post(ACCOUNT_ADD, an_account())

    entry = AuditEntry.objects.get(object_key="bob@linuxadmin.dev")
    assert entry.changes["password"] == [None, "***"]
    assert "argon2" not in str(entry.changes)


def test_lists_are_known_when_the_programs_can_read_them(panel, settings, tmp_path):
    settings.MAIL_HOME = tmp_path
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "team").write_text("alice@linuxadmin.dev\n")
    (tmp_path / "elsewhere").write_text("alice@linuxadmin.dev\n")
    typed = f":include:{tmp_path}/lists/team\n:include:{tmp_path}/lists/none\n:include:{tmp_path}/elsewhere"

    said = messages_of(panel.post(ALIAS_ADD, an_alias(targets=typed)))

    assert f":include:{tmp_path}/lists/team" not in said.partition("Nobody here")[2]
    assert f":include:{tmp_path}/lists/none" in said and f":include:{tmp_path}/elsewhere" in said


def test_ones_own_password_asks_for_the_old_one_and_is_audited(panel, administrator):
    url = reverse("admin:password_change")
    new = {"new_password1": "another long secret", "new_password2": "another long secret"}
    assert panel.post(url, {"old_password": "wrong", **new}).status_code == 200
    assert not AuditEntry.objects.exists()

    assert panel.post(url, {"old_password": PASSWORD, **new}).status_code == 302

    administrator.refresh_from_db()
    assert administrator.check_password("another long secret")
    assert AuditEntry.objects.get().changes == {"password": ["***", "***"]}
    assert panel.get(reverse("admin:index")).status_code == 200


def test_setting_ones_own_password_on_the_account_page_keeps_the_session(panel, administrator):
    panel.post(
        f"/admin/directory/account/{administrator.pk}/password/",
        {"password": "another long secret", "again": "another long secret"},
    )

    assert panel.get(reverse("admin:index")).status_code == 200
