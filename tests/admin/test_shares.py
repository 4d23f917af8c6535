"""Shares in the panel: made, changed and ended on the page of an account, listed, audited (RFC 4314)."""

import pytest
from django.db import connection
from django.urls import reverse

from mailadmin.audit.models import AuditEntry
from mailadmin.directory.models import Account
from mailadmin.mailboxes import sharing
from mailadmin.mailboxes.models import Mailbox, MailboxAcl
from mailcore.identity import AccountRef
from mailcore.sharing.acl import everybody_beside
from tests.admin.panel_support import errors_of, messages_of, text_of


@pytest.fixture
def work(alice):
    return a_mailbox(alice, "Work")


def a_mailbox(account, name):
    return Mailbox.objects.create(
        account=account, name=name, uidvalidity=1, uidnext=1, highestmodseq=1, first_recent_uid=1
    )


def page_of(account):
    return reverse("admin:directory_account_change", args=[account.pk])


def share(panel, mailbox, **changes):
    wanted = {"mailbox": mailbox.pk, "identifier": "admin@linuxadmin.dev", "rights": ["l", "r"], **changes}
    return panel.post(reverse("admin:share_make", args=[mailbox.account_id]), wanted)


def test_a_mailbox_is_shared(panel, work):
    response = share(panel, work, identifier=" Admin@linuxadmin.dev ")

    assert response.status_code == 302
    entry = MailboxAcl.objects.get()
    assert (entry.mailbox_id, entry.identifier, entry.negative, entry.rights) == (
        work.pk, "admin@linuxadmin.dev", False, "lr"
    )  # fmt: skip
    assert "Work is shared with admin@linuxadmin.dev" in messages_of(response)
    line = AuditEntry.objects.latest("pk")
    assert (line.action, line.object_type, line.object_key, line.changes) == (
        "created", "share", "alice@linuxadmin.dev Work for admin@linuxadmin.dev", {"rights": ["", "lr"]}
    )  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"identifier": "nobody@linuxadmin.dev"}, "identifier", "address of another account"),
        ({"identifier": "alice@linuxadmin.dev"}, "identifier", "address of another account"),
        ({"identifier": "$group"}, "identifier", "address of another account"),
        ({"identifier": ""}, "identifier", "required"),
        ({"rights": []}, "rights", "required"),
        ({"rights": ["z"]}, "rights", "not one of the available"),
    ],
)
def test_the_form_complains_beside_the_field(panel, work, changes, field, words):
    assert words in " ".join(errors_of(share(panel, work, **changes))[field])
    assert not MailboxAcl.objects.exists()


def test_mailboxes_of_others_cannot_be_chosen(panel, work, administrator):
    other = a_mailbox(administrator, "Other")

    response = panel.post(
        reverse("admin:share_make", args=[work.account_id]),
        {"mailbox": other.pk, "identifier": "anyone", "rights": ["l"]},
    )

    assert "mailbox" in errors_of(response)


def test_a_share_is_changed_and_ended(panel, work):
    share(panel, work, identifier="-anyone")
    entry = MailboxAcl.objects.get()
    assert entry.negative

    panel.post(reverse("admin:share_change", args=[entry.pk]), {"rights": ["l", "r", "w", "i"]})
    entry.refresh_from_db()
    assert entry.rights == "lrwi"
    response = panel.post(reverse("admin:share_end", args=[entry.pk]))

    assert "no longer shared with -anyone" in messages_of(response)
    assert not MailboxAcl.objects.exists()
    changes = list(AuditEntry.objects.filter(object_type="share").order_by("pk").values_list("action", "changes"))
    assert changes == [
        ("created", {"rights": ["", "lr"]}),
        ("changed", {"rights": ["lr", "lrwi"]}),
        ("deleted", {"rights": ["lrwi", ""]}),
    ]


@pytest.mark.parametrize("who", ["anyone", "-authenticated", "admin@linuxadmin.dev"])
def test_whose_lists_look_different_hear_of_it(
    panel, work, administrator, django_capture_on_commit_callbacks, monkeypatch, who
):
    """Also sessions that have seen nothing of this account before: `anyone` is every account of its domain."""
    told = []
    monkeypatch.setattr(sharing.publish, "account_changed", lambda _client, ids: told.append(set(ids)))

    with django_capture_on_commit_callbacks(execute=True):
        share(panel, work, identifier=who)

    reader = AccountRef(administrator.pk, administrator.address)
    other = AccountRef(0, "somebody@elsewhere.example")
    everybody, named = everybody_beside(reader), reader.id
    assert told == [{work.account_id, named if "@" in who else everybody}]
    assert everybody_beside(other) != everybody


def test_ending_needs_a_post_and_a_share(panel, work):
    share(panel, work)

    assert panel.get(reverse("admin:share_end", args=[MailboxAcl.objects.get().pk])).status_code == 405
    assert panel.post(reverse("admin:share_end", args=[0])).status_code == 404
    assert panel.get(reverse("admin:share_change", args=[0])).status_code == 404
    assert panel.get(reverse("admin:share_make", args=[0])).status_code == 404
    assert panel.get("/admin/mailboxes/mailboxacl/none/change/").status_code == 404


def test_both_accounts_show_the_share(panel, work, administrator):
    share(panel, work)

    given, received = text_of(panel.get(page_of(work.account))), text_of(panel.get(page_of(administrator)))

    assert "Work admin@linuxadmin.dev see it in lists, read messages" in given
    assert "Work alice@linuxadmin.dev see it in lists, read messages" in received


def test_the_list_of_all_shares(panel, work):
    share(panel, work, rights=list("lrswipkxtea"))
    page = reverse("admin:mailboxes_mailboxacl_changelist")

    assert "Work alice@linuxadmin.dev admin@linuxadmin.dev everything" in text_of(panel.get(page))
    assert "alice@linuxadmin.dev" in text_of(panel.get(page, {"q": "admin@"}))
    assert "alice@linuxadmin.dev" not in text_of(panel.get(page, {"q": "nobody@"}))
    of_alice = {"mailbox__account__id__exact": work.account_id}
    assert "admin@linuxadmin.dev everything" in text_of(panel.get(page, of_alice))


def test_nobody_inherits_the_rights_of_who_had_the_address_before(panel, work, administrator, domain):
    gone = Account.objects.create(address="gone@linuxadmin.dev", domain=domain, password="!")
    share(panel, work, identifier=gone.address)
    share(panel, work)

    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM account WHERE id = %s", [gone.pk])

    assert [entry.identifier for entry in MailboxAcl.objects.all()] == ["admin@linuxadmin.dev"]


def test_rights_stay_when_the_account_changes_and_go_with_its_address(panel, work, administrator):
    """Django writes every column of an account, its address too."""
    share(panel, work)

    administrator.display_name = "Somebody else"
    administrator.save()
    assert [entry.identifier for entry in MailboxAcl.objects.all()] == ["admin@linuxadmin.dev"]

    Account.objects.filter(pk=administrator.pk).update(address="root2@linuxadmin.dev")
    assert not MailboxAcl.objects.exists()
