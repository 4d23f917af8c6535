"""Every page of the panel opens, with and without content, for administrators and for nobody else."""

import re
from datetime import timedelta

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mailadmin.api.tokens import create_token
from mailadmin.audit.models import AuditEntry
from mailadmin.content_security import POLICY
from mailadmin.directory.models import Alias, OauthIssuer
from mailadmin.mailboxes.models import AccountUsage, Mailbox, MailboxAcl
from mailadmin.mailqueue.models import QueueMessage
from mailadmin.status.models import ClientSession, ProcessStatus
from mailadmin.trace.models import TraceEvent
from mailadmin.transport.models import RelayHost, SenderRewrite, ServerSettings, TransportRule
from mailadmin.unfold import NAVIGATION, navigation
from tests.admin.panel_support import text_of
from tests.admin.queue_support import queued

MODELS = list(admin.site._registry)
LISTS = [f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist" for model in MODELS]
EXTRA = ["admin:index", "admin:dashboard_live", "admin:route_test", "admin:trace_search", "admin:password_change"]


@pytest.fixture
def everything(panel, administrator, alice):
    """One of each, so that no list is empty."""
    Alias.objects.create(address="@linuxadmin.dev", targets=["alice@linuxadmin.dev"])
    RelayHost.objects.create(host="smtp.example.org", port=587, tls="encrypt", username="us")
    TransportRule.objects.create(match=".example.net")
    SenderRewrite.objects.create(pattern="@lan.example", replacement="@linuxadmin.dev")
    AccountUsage.objects.create(account=alice, bytes=900, messages=3)
    inbox = Mailbox.objects.create(account=alice, name="INBOX", uidvalidity=1)
    MailboxAcl.objects.create(mailbox=inbox, identifier="admin@linuxadmin.dev", rights="lr")
    create_token("monitoring", ["status:read"])
    OauthIssuer.objects.create(issuer="https://id.example.org", audience="mail", jwks_url="https://id.example.org/jwks")
    AuditEntry.objects.create(
        actor="admin", action="changed", object_type="domain", object_key="x", changes={"a": [1, 2]}
    )
    queued("friend@far.example", last_reply="451 4.7.1 come back later", attempts=2)
    TraceEvent.objects.create(
        at=timezone.now(), kind="refused", session_id="S1", client_address="192.0.2.9", rule="a_rule", reply="554 no"
    )
    ProcessStatus.objects.create(
        role="smtpd", host="h", pid=7, started_at=timezone.now() - timedelta(hours=2), seen_at=timezone.now(),
        listening=["127.0.0.1:2525"],
    )  # fmt: skip
    ClientSession.objects.create(
        host="h", pid=7, number=1, protocol="imap", account=alice, client_address="192.0.2.1", tls=True,
        since=timezone.now(),
    )  # fmt: skip
    return panel


@pytest.mark.parametrize("view", [*LISTS, *EXTRA])
def test_page_opens_when_there_is_nothing(panel, view):
    response = panel.get(reverse(view), follow=True)

    assert response.status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/admin/profile/domain/%00/",
        "/admin/directory/domain/%00/change/",
        "/admin/directory/domain/a%00b/delete/",
        "/admin/trace/message/%00/",
        "/admin/trace/?recipient=%00",
        "/admin/directory/account/?domain__name__exact=%00",
        "/admin/directory/account/?%00=1",
    ],
)
def test_no_page_has_an_address_with_nul(panel, address):
    assert panel.get(address).status_code == 404


@pytest.mark.parametrize("view", [*LISTS, *EXTRA])
def test_page_opens_with_content_and_is_ours_alone(everything, view):
    response = everything.get(reverse(view), follow=True)

    assert response.status_code == 200
    assert response.headers["Content-Security-Policy"] == POLICY
    page = response.content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page), "something is loaded from elsewhere"
    assert not re.findall(r"<[^>]+\son\w+\s*=", page), "an event attribute, which the policy forbids"
    assert not re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", page), "an inline script, which the policy forbids"


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_pages_of_one_object_open(everything, model):
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    row = model.objects.first()
    assert row is not None

    for view in ("change", "delete", "history"):
        response = everything.get(reverse(f"{name}_{view}", args=[row.pk]), follow=True)
        allowed = admin.site._registry[model].has_delete_permission(response.wsgi_request, row)
        expected = 403 if view == "delete" and not allowed else 200
        assert response.status_code == expected, (view, response.status_code)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
def test_form_for_a_new_object_opens_or_does_not_exist(everything, model):
    response = everything.get(reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_add"))

    allowed = admin.site._registry[model].has_add_permission(response.wsgi_request)
    assert response.status_code == (200 if allowed else 403)


@pytest.mark.parametrize("view", [*LISTS, *EXTRA])
def test_page_is_closed_to_strangers_and_to_people_with_only_a_mailbox(alice, view):
    stranger, user = Client(), Client()
    user.force_login(alice)

    for client in (stranger, user):
        response = client.get(reverse(view))
        assert response.status_code == 302
        assert response.headers["Location"].startswith(reverse("admin:login"))


def test_lists_search_and_filter(everything):
    for model in MODELS:
        options = admin.site._registry[model]
        if options.search_fields:
            url = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")
            assert everything.get(url, {"q": "x%_'"}, follow=True).status_code == 200


def test_sidebar_is_in_the_order_of_the_work(panel):
    titles = [item["title"] for group in NAVIGATION for item in group["items"]]
    page = text_of(panel.get(reverse("admin:index")))

    places = [page.index(f" {title} ") for title in titles]
    assert places == sorted(places)
    assert titles[:4] == ["Dashboard", "Domains", "Accounts", "Aliases"]


def test_logging_in_leads_to_the_panel(administrator):
    client = Client()
    form = client.get("/admin/login/", follow=True)
    response = client.post(
        form.request["PATH_INFO"] + "?" + form.request["QUERY_STRING"],
        {"username": "Admin@LinuxAdmin.dev", "password": "correct horse battery"},
    )

    assert response.status_code == 302
    assert response.headers["Location"] == reverse("admin:index")


def test_disabled_administrator_cannot_log_in(administrator):
    administrator.enabled = False
    administrator.save()

    response = Client().post(
        "/admin/login/?next=/admin/", {"username": "admin@linuxadmin.dev", "password": "correct horse battery"}
    )

    assert response.status_code == 200
    assert "Please enter the correct" in text_of(response)


def test_every_page_names_the_server(panel):
    ServerSettings.objects.update(myhostname="mail.linuxadmin.dev")

    assert "mail.linuxadmin.dev" in text_of(panel.get(reverse("admin:index")))


def test_queue_in_the_sidebar_says_how_many_wait(panel):
    assert QueueMessage.objects.count() == 0
    assert "badge" not in navigation(None)[3]["items"][0]
    queued("one@far.example", "two@far.example", "three@far.example")

    assert "Queue 3 " in text_of(panel.get(reverse("admin:index")))
