"""Who may use the API, what every kind of error looks like, and the documents that describe it."""

import io
import json
from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from mailadmin.api.models import ApiToken
from mailadmin.api.resources import domains
from mailadmin.api.scopes import ALL_SCOPES, READ_ONLY_RESOURCES, WRITABLE_RESOURCES
from mailadmin.api.tokens import create_token
from mailadmin.api.urls import VIEWSETS
from mailadmin.directory.models import Account, Domain
from mailadmin.transport.models import ServerSettings
from tests.admin.api_support import ApiClient, assert_problem

pytestmark = pytest.mark.django_db

RESOURCES = [*WRITABLE_RESOURCES, *READ_ONLY_RESOURCES]


@pytest.fixture
def server():
    ServerSettings.objects.all().delete()
    return ServerSettings.objects.create(myhostname="mx.example.org", mydomain="example.org", myorigin="example.org")


@pytest.mark.parametrize("resource", [*RESOURCES, "tokens"])
def test_nobody_gets_in_without_a_token(resource):
    api = ApiClient()
    api.get(f"/{resource}/")

    assert_problem(api.response, 401)
    assert api.response.headers["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer mk_wrong", "Bearer", "Bearer \xff", "Bearer x y", "bearer mk_"])
def test_a_wrong_token_is_refused(header):
    api = ApiClient()
    api.headers["Authorization"] = header
    api.get("/domains/")

    assert_problem(api.response, 401)


def test_a_disabled_or_expired_token_is_refused():
    api = ApiClient("domains:read")
    assert api.get("/domains/")[0] == 200

    ApiToken.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert api.get("/domains/")[0] == 401
    ApiToken.objects.update(expires_at=None, enabled=False)
    assert api.get("/domains/")[0] == 401


@pytest.mark.parametrize("resource", RESOURCES)
def test_a_scope_opens_its_resource_and_no_other(resource, server):
    reader = ApiClient(f"{resource}:read")

    for other in RESOURCES:
        reader.get(f"/{other}/")
        if other == resource:
            assert reader.response.status_code == 200, reader.response.content
        else:
            assert f"{other}:read" in assert_problem(reader.response, 403)["detail"]


@pytest.mark.parametrize("resource", WRITABLE_RESOURCES)
def test_reading_is_not_writing(resource, server):
    reader, writer = ApiClient(f"{resource}:read"), ApiClient(f"{resource}:write")
    path, method = (f"/{resource}/", "POST") if resource not in ("settings", "queue") else (f"/{resource}/", "PATCH")
    path = {"queue": "/queue/flush/", "sessions": "/sessions/end/"}.get(resource, path)
    method = "POST" if resource == "queue" else method

    reader.request(method, path, {})
    assert_problem(reader.response, 403)
    assert writer.request(method, path, {})[0] in (200, 400)
    assert writer.get(f"/{resource}/")[0] == 200, "write includes read"


def test_only_admin_manages_tokens(server):
    everything_else = ApiClient(*sorted(ALL_SCOPES - {"admin"}))
    everything_else.get("/tokens/")

    assert_problem(everything_else.response, 403)
    assert ApiClient("admin").get("/tokens/")[0] == 200


def test_a_token_is_shown_once_and_stored_as_a_hash():
    admin = ApiClient("admin")
    status, made = admin.post("/tokens/", {"name": "backup", "scopes": ["accounts:read"]})

    assert status == 201
    assert made["token"].startswith("mk_")
    assert made["token"] not in json.dumps(admin.get("/tokens/")[1])
    assert not ApiToken.objects.filter(token_hash__contains=made["token"]).exists()
    client = ApiClient()
    client.headers["Authorization"] = f"Bearer {made['token']}"
    assert client.get("/accounts/")[0] == 200
    assert client.get("/domains/")[0] == 403
    assert admin.delete(f"/tokens/{made['id']}/")[0] == 204
    assert client.get("/accounts/")[0] == 401


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": "x", "scopes": ["nonsense"]}, "scopes"),
        ({"name": "x", "scopes": []}, "scopes"),
        ({"name": "", "scopes": ["admin"]}, "name"),
        ({"name": "x", "scopes": ["admin"], "expires_at": "2001-01-01T00:00:00Z"}, "expires_at"),
        ({"name": "test admin", "scopes": ["admin"]}, "name"),
    ],
)
def test_tokens_that_make_no_sense(body, field):
    admin = ApiClient("admin")
    admin.post("/tokens/", body)

    assert_problem(admin.response, 400, field)


def test_a_token_can_be_switched_off():
    admin = ApiClient("admin")
    _, made = admin.post("/tokens/", {"name": "x", "scopes": ["admin"], "enabled": False})

    assert made["enabled"] is False
    assert admin.patch(f"/tokens/{made['id']}/", {"enabled": True, "scopes": ["domains:read"]})[1]["scopes"] == [
        "domains:read"
    ]


def test_the_command_prints_the_token_and_nothing_else():
    out = io.StringIO()
    call_command("create_api_token", "ci", "--scopes", "domains:write", "accounts:read,queue:read", stdout=out)

    api = ApiClient()
    api.headers["Authorization"] = f"Bearer {out.getvalue().rstrip()}"
    assert out.getvalue().count("\n") == 1
    assert [api.get(f"/{name}/")[0] for name in ("domains", "accounts", "queue", "aliases")] == [200, 200, 200, 403]


@pytest.mark.parametrize("scopes", [["nonsense"], ["admin", "domains:delete"], [","]])
def test_the_command_refuses_unknown_scopes(scopes):
    with pytest.raises(CommandError) as refused:
        call_command("create_api_token", "ci", "--scopes", *scopes)
    assert "accounts:read" in str(refused.value) or not "".join(scopes).strip(" ,")
    assert not ApiToken.objects.exists()


def test_set_password_reads_standard_input(monkeypatch):
    Domain.objects.create(name="example.org")
    Account.objects.create_superuser("admin@example.org", "the old password")
    errors = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO("new pass\n"))

    call_command("set_password", "Admin@Example.org", stderr=errors)

    assert Account.objects.get().check_password("new pass")
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    with pytest.raises(CommandError, match="empty"):
        call_command("set_password", "admin@example.org")
    with pytest.raises(CommandError, match="no account"):
        call_command("set_password", "nobody@example.org")


@pytest.fixture
def staff():
    Domain.objects.create(name="example.org")
    return {
        "superuser": Account.objects.create_superuser("root@example.org", None),
        "staff": Account.objects.create_user("helper@example.org", None, is_staff=True),
        "user": Account.objects.create_user("user@example.org", None),
    }


@pytest.mark.parametrize(("who", "reads", "writes"), [("superuser", 200, 201), ("staff", 200, 403), ("user", 403, 403)])
def test_a_session_of_the_panel(staff, who, reads, writes):
    api = ApiClient()
    api.client.force_login(staff[who])

    assert api.get("/domains/")[0] == reads
    assert api.post("/domains/", {"name": "new.example"})[0] == writes


def test_a_session_needs_the_csrf_token(staff):
    api = ApiClient()
    api.client = Client(enforce_csrf_checks=True)
    api.client.force_login(staff["superuser"])
    api.post("/domains/", {"name": "new.example"})

    assert_problem(api.response, 403)


def test_an_address_that_does_not_exist_says_so_without_a_csrf_token():
    api = ApiClient("admin")
    api.client = Client(enforce_csrf_checks=True)
    api.post("/nothing/here/")

    assert_problem(api.response, 404)


def test_a_browser_gets_pages(staff):
    client = Client()
    client.force_login(staff["superuser"])
    response = client.get("/api/v1/domains/", headers={"Accept": "text/html"})

    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing/", 404),
        ("GET", "/trace/%0A/", 404),
        ("POST", "/domains/example.org/extra/", 404),
        ("GET", "/domains/nowhere.example/", 404),
        ("GET", "/accounts/nobody@nowhere.example/", 404),
        ("GET", "/networks/not-a-network/", 404),
        ("GET", "/networks/99999999999999999999/", 404),
        ("GET", "/queue/NOSUCHQUEUEID/", 404),
        ("DELETE", "/queue/NOSUCHQUEUEID/", 404),
        ("GET", "/tokens/999/", 404),
        ("DELETE", "/domains/", 405),
        ("OPTIONS", "/domains/", 405),
        ("POST", "/settings/", 405),
    ],
)
def test_every_error_is_a_problem(method, path, status):
    api = ApiClient("admin")
    api.request(method, path)

    assert_problem(api.response, status)


@pytest.mark.parametrize("body", ["{", "[]", "5", '"x"', "null", "\xff", '{"name": "\\ud800"}', '{"name": "\\u0000"}'])
@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_bodies_that_are_no_object(body, method):
    api = ApiClient("admin")
    path = "/api/v1/domains/" + ("example.org/" if method == "PUT" else "")
    api.response = api.client.generic(method, path, body.encode("latin-1"), "application/json", headers=api.headers)

    assert api.response.status_code == 400
    assert api.response.headers["Content-Type"] == "application/problem+json"


def test_another_media_type_is_a_problem():
    api = ApiClient("admin")
    api.response = api.client.post("/api/v1/domains/", {"name": "x.example"}, headers=api.headers)
    assert_problem(api.response, 415)
    api.response = api.client.get("/api/v1/domains/", headers={**api.headers, "Accept": "image/png"})
    assert_problem(api.response, 406)


@pytest.mark.parametrize("path", ["/domains/a%00b/", "/domains/?search=%00", "/queue/?sender=a%00", "/domains/?%00=1"])
def test_nul_is_the_client_s_mistake(path):
    api = ApiClient("admin")
    api.get(path)

    assert api.response.status_code in (400, 404)


@pytest.mark.parametrize(
    ("error", "status"), [(RuntimeError("boom"), 500), (OperationalError("down"), 503), (IntegrityError("twice"), 409)]
)
def test_what_goes_wrong_here_tells_nothing(monkeypatch, error, status):
    def fail(self):
        raise error

    api = ApiClient("admin")
    monkeypatch.setattr(domains.DomainViewSet, "get_queryset", fail)
    api.get("/domains/")

    document = assert_problem(api.response, status)
    assert str(error) not in json.dumps(document)


def test_the_openapi_document_knows_everything():
    document = Client().get("/api/v1/schema/?format=json").json()

    for name in VIEWSETS:
        assert f"/api/v1/{name}/" in document["paths"]
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    put = document["paths"]["/api/v1/domains/{name}/"]["put"]
    assert set(put["responses"]) == {"200", "201", "default"}
    searched = {each["name"]: each for each in document["paths"]["/api/v1/sessions/"]["get"]["parameters"]}
    assert "client_address" in searched["search"]["description"]
    account = document["components"]["schemas"]["Account"]["properties"]
    assert "password" not in account and "address" in account


def test_the_swagger_page_loads_nothing_from_elsewhere():
    response = Client().get(reverse("api:docs"))
    page = response.content.decode()

    assert response.status_code == 200
    assert "http://" not in page and "https://" not in page and "//" not in page.replace("</", "")
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert "<script>" not in page


def test_the_index_names_the_resources():
    assert set(VIEWSETS) <= set(Client().get("/api/v1/").json())


def test_using_a_token_is_noted_once_a_minute():
    _, text = create_token("x", ["domains:read"])
    api = ApiClient()
    api.headers["Authorization"] = f"Bearer {text}"

    api.get("/domains/")
    first = ApiToken.objects.get(name="x").last_used_at
    api.get("/domains/")

    assert first is not None
    assert ApiToken.objects.get(name="x").last_used_at == first
