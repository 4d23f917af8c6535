"""/api/v1/shares/"""

import pytest

from mailadmin.audit.models import AuditEntry
from mailadmin.mailboxes.models import Mailbox, MailboxAcl
from tests.admin.api_support import ApiClient, assert_problem

WANTED = {
    "owner": "alice@linuxadmin.dev",
    "mailbox": "Work/2026",
    "identifier": "admin@linuxadmin.dev",
    "rights": "lrd",
}


@pytest.fixture
def api(alice, administrator):
    Mailbox.objects.create(
        account=alice, name="Work/2026", uidvalidity=1, uidnext=1, highestmodseq=1, first_recent_uid=1
    )
    return ApiClient("accounts:write")


def test_a_share_is_made_changed_listed_and_ended(api):
    status, made = api.post("/shares/", WANTED)

    assert (status, made["rights"], made["owner"], made["mailbox"]) == (201, "lrte", WANTED["owner"], "Work/2026")
    assert made["in_words"] == "see it in lists, read messages, mark as deleted, remove what is so marked"
    assert api.post("/shares/", {**WANTED, "rights": "lr"})[1] == {
        **made, "rights": "lr", "in_words": "see it in lists, read messages"
    }  # fmt: skip
    api.post("/shares/", {**WANTED, "identifier": "-anyone", "rights": "e"})
    assert [row["identifier"] for row in api.get("/shares/")[1]["results"]] == ["admin@linuxadmin.dev", "-anyone"]
    assert api.get("/shares/", owner="Alice@linuxadmin.dev", identifier="anyone")[1]["count"] == 1
    assert api.get("/shares/", owner="admin@linuxadmin.dev")[1]["count"] == 0
    assert api.get(f"/shares/{made['id']}/")[1]["rights"] == "lr"
    assert api.delete(f"/shares/{made['id']}/")[0] == 204
    assert MailboxAcl.objects.count() == 1
    assert AuditEntry.objects.filter(object_type="share").count() == 4


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"owner": "nobody@linuxadmin.dev"}, "mailbox"),
        ({"mailbox": "Nothing"}, "mailbox"),
        ({"identifier": "nobody@linuxadmin.dev"}, "identifier"),
        ({"identifier": "alice@linuxadmin.dev"}, "identifier"),
        ({"rights": "z"}, "rights"),
        ({"rights": ""}, "rights"),
    ],
)
def test_what_cannot_be_shared(api, changes, field):
    api.post("/shares/", {**WANTED, **changes})

    assert_problem(api.response, 400, field)
    assert not MailboxAcl.objects.exists()


def test_it_needs_the_scope_of_accounts(api):
    reader = ApiClient("accounts:read")
    assert reader.post("/shares/", WANTED)[0] == 403
    assert reader.get("/shares/")[0] == 200
    assert ApiClient("domains:read").get("/shares/")[0] == 403
    assert api.get("/shares/999999999999999999/")[0] == 404


def test_mailboxes_of_administrators_need_the_scope_admin(api, administrator):
    """With such a token one gives oneself a password, but not an administrator's mail."""
    inbox = Mailbox.objects.create(
        account=administrator, name="INBOX", uidvalidity=1, uidnext=1, highestmodseq=1, first_recent_uid=1
    )
    wanted = {**WANTED, "owner": administrator.address, "mailbox": "INBOX", "identifier": "alice@linuxadmin.dev"}

    api.post("/shares/", wanted)
    assert_problem(api.response, 403)
    assert not MailboxAcl.objects.filter(mailbox=inbox).exists()

    admin = ApiClient("admin")
    status, made = admin.post("/shares/", wanted)
    assert status == 201
    assert api.delete(f"/shares/{made['id']}/")[0] == 403
    assert admin.delete(f"/shares/{made['id']}/")[0] == 204
