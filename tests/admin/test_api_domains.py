"""/api/v1/domains/: natural keys, PUT, system aliases, filters."""

import threading

import pytest
from django.db import connection
from rest_framework.validators import UniqueValidator

from mailadmin.api.resources.domains import DomainViewSet
from mailadmin.audit.models import AuditEntry
from mailadmin.directory.models import Account, Alias, Domain
from tests.admin.api_support import ApiClient, assert_problem


@pytest.fixture
def api(db):
    return ApiClient("domains:write")


def test_put_creates_then_replaces(api):
    assert api.put("/domains/Example.ORG/", {"description": "ours"})[0] == 201
    status, body = api.put("/domains/example.org", {"name": "example.org"})

    assert status == 200
    assert body["name"] == "example.org"
    assert body["description"] == "", "PUT replaces: what is missing goes back to its default"


def test_put_under_another_name_is_a_mistake(api):
    api.put("/domains/example.org/", {"name": "example.net"})

    assert_problem(api.response, 400, "name")


def test_a_local_domain_is_created_with_its_system_aliases(api):
    Domain.objects.create(name="mailkeep.test")
    Account.objects.create_superuser("admin@mailkeep.test", "a long password")

    _, body = api.post("/domains/", {"name": "linuxadmin.dev", "kind": "local"})

    made = Alias.objects.filter(domain="linuxadmin.dev", is_system=True).values_list("address", flat=True)
    assert sorted(made) == ["abuse@linuxadmin.dev", "postmaster@linuxadmin.dev", "root@linuxadmin.dev"]
    assert body["alias_count"] == 3


def test_international_names_are_found_in_either_form(api):
    api.put("/domains/bücher.example/", {})

    assert api.get("/domains/xn--bcher-kva.example/")[1]["name"] == "xn--bcher-kva.example"
    assert api.get("/domains/BÜCHER.example/")[0] == 200


def test_an_alias_domain_needs_the_domain_it_stands_for(api):
    api.post("/domains/", {"name": "example.org"})

    api.post("/domains/", {"name": "example.net", "kind": "alias"})
    assert_problem(api.response, 400, "non_field_errors")
    assert api.post("/domains/", {"name": "example.net", "kind": "alias", "alias_of": "example.org"})[0] == 201
    api.delete("/domains/example.org/")
    assert "example.net" in assert_problem(api.response, 409)["detail"]


@pytest.mark.parametrize("name", ["", "-a.example", "a b.example", "[192.0.2.1]", "a" * 300, "a\x00b.example", "a..b"])
def test_nonsense_is_no_domain(api, name):
    api.post("/domains/", {"name": name})

    assert_problem(api.response, 400, "name")


def test_a_name_is_taken_once(api):
    api.post("/domains/", {"name": "example.org"})
    api.post("/domains/", {"name": "EXAMPLE.org"})

    assert_problem(api.response, 400, "name")


def test_domains_are_not_renamed(api):
    api.post("/domains/", {"name": "example.org"})
    api.patch("/domains/example.org/", {"name": "example.net"})

    assert_problem(api.response, 400, "name")


def test_a_domain_with_accounts_stays(api):
    api.post("/domains/", {"name": "example.org"})
    Account.objects.create_user("ann@example.org", "a long password")

    api.patch("/domains/example.org/", {"kind": "relay"})
    assert_problem(api.response, 400, "kind")
    api.delete("/domains/example.org/")
    assert "ann@example.org" in assert_problem(api.response, 409)["detail"]
    assert Domain.objects.filter(name="example.org", kind="local").exists()


def test_delete_takes_the_aliases_along(api):
    api.post("/domains/", {"name": "example.org"})
    Alias.objects.create(address="x@example.org", domain_id="example.org", targets=["y@example.net"])

    assert api.delete("/domains/example.org/")[0] == 204
    assert not Alias.objects.filter(domain_id="example.org").exists()
    api.get("/domains/example.org/")
    assert_problem(api.response, 404)


def test_lists_are_filtered_ordered_and_paged(api):
    for number, kind in enumerate(["local", "relay", "relay", "relay"]):
        api.post("/domains/", {"name": f"d{number}.example", "kind": kind})

    _, page = api.get("/domains/", kind="relay", ordering="-name", limit=2)
    assert page["count"] == 3
    assert [row["name"] for row in page["results"]] == ["d3.example", "d2.example"]
    assert "offset=2" in page["next"]
    assert api.get("/domains/", search="D0")[1]["count"] == 1
    api.get("/domains/", kind="nonsense")
    assert_problem(api.response, 400, "kind")


@pytest.mark.parametrize("query", [{"limit": "x"}, {"limit": 0}, {"offset": -1}, {"offset": 10**30}])
def test_pages_are_bounded(api, query):
    api.get("/domains/", **query)

    assert_problem(api.response, 400, next(iter(query)))


def test_a_page_costs_the_same_whatever_its_size(api, django_assert_num_queries):
    Domain.objects.bulk_create(Domain(name=f"d{number}.example") for number in range(30))
    api.get("/domains/", limit=1)
    with django_assert_num_queries(4):  # token, keys, rows, count
        _, page = api.get("/domains/", limit=30)

    assert len(page["results"]) == 30


def test_changes_are_audited_with_the_token_s_name(api):
    api.put("/domains/example.org/", {"description": "ours"})
    api.put("/domains/example.org/", {"description": "ours"})
    api.patch("/domains/example.org/", {"enabled": False})
    api.delete("/domains/example.org/")

    lines = list(AuditEntry.objects.order_by("id").values_list("actor", "action", "object_key"))
    assert [action for _, action, _ in lines] == ["created", "changed", "deleted"]
    assert {(actor, key) for actor, _, key in lines} == {("token test domains:write", "example.org")}


def create_in_another_session(name: str) -> None:
    def create():
        Domain.objects.create(name=name, description="the first")
        connection.close()

    thread = threading.Thread(target=create)
    thread.start()
    thread.join()


def test_who_comes_second_in_a_race_replaces_what_the_first_made(django_database, monkeypatch):
    api = ApiClient("domains:write")
    look, looks = DomainViewSet.find, []

    def find_just_before_another_creates(self, key):
        looks.append(key)
        if len(looks) > 1:
            return look(self, key)
        create_in_another_session("example.org")
        return Domain.objects.none()

    monkeypatch.setattr(DomainViewSet, "find", find_just_before_another_creates)
    # The validators see the other's row; in a real race they look before the other commits.
    monkeypatch.setattr(UniqueValidator, "__call__", lambda *args: None)
    monkeypatch.setattr(Domain, "validate_constraints", lambda *args, **kwargs: None)
    status, body = api.put("/domains/example.org/", {"description": "the second"})

    assert (status, body["description"]) == (200, "the second")
