"""/api/v1/aliases/"""

import pytest

from mailadmin.directory.models import Alias, Domain
from tests.admin.api_support import ApiClient, assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    Domain.objects.create(name="linuxadmin.dev")
    return ApiClient("aliases:write")


def test_an_alias_with_several_targets(api):
    targets = ["alice@linuxadmin.dev", "bob@elsewhere.example", ":include:/etc/lists/sales", "alice@linuxadmin.dev"]
    status, body = api.put("/aliases/Sales@linuxadmin.dev/", {"targets": targets})

    assert status == 201
    assert body["address"] == "sales@linuxadmin.dev"
    assert body["targets"] == targets[:3], "a target is kept once"
    assert body["enabled"] is True and body["is_system"] is False


def test_the_catch_all_of_a_domain(api):
    assert api.put("/aliases/@LinuxAdmin.dev/", {"targets": ["alice@linuxadmin.dev"]})[0] == 201
    assert api.get("/aliases/@linuxadmin.dev/")[1]["address"] == "@linuxadmin.dev"
    assert api.delete("/aliases/@linuxadmin.dev/")[0] == 204
    assert not Alias.objects.exists()


@pytest.mark.parametrize(
    "targets", [None, [], "alice@linuxadmin.dev", ["nonsense"], [""], [":include:../x"], [5], [{"a": 1}]]
)
def test_targets_that_are_none(api, targets):
    api.put("/aliases/sales@linuxadmin.dev/", {"targets": targets})

    assert_problem(api.response, 400, "targets")


def test_the_domain_must_be_ours(api):
    api.put("/aliases/sales@elsewhere.example/", {"targets": ["alice@linuxadmin.dev"]})

    assert_problem(api.response, 400, "address")


def test_a_loop_is_refused(api):
    api.put("/aliases/a@linuxadmin.dev/", {"targets": ["b@linuxadmin.dev"]})
    api.put("/aliases/b@linuxadmin.dev/", {"targets": ["a@linuxadmin.dev"]})

    assert "a@linuxadmin.dev" in str(assert_problem(api.response, 400, "targets")["errors"])


def test_replacing_and_changing(api):
    api.put("/aliases/sales@linuxadmin.dev/", {"targets": ["a@x.example"], "note": "old"})

    assert api.put("/aliases/sales@linuxadmin.dev/", {"targets": ["b@x.example"]})[1]["note"] == ""
    assert api.patch("/aliases/sales@linuxadmin.dev/", {"enabled": False})[1]["targets"] == ["b@x.example"]
    api.put("/aliases/sales@linuxadmin.dev/", {})
    assert_problem(api.response, 400, "targets")


def test_filters(api):
    api.put("/aliases/sales@linuxadmin.dev/", {"targets": ["a@x.example", "b@x.example"]})
    api.put("/aliases/info@linuxadmin.dev/", {"targets": ["b@x.example"], "enabled": False})

    def found(**query):
        return [row["address"].partition("@")[0] for row in api.get("/aliases/", **query)[1]["results"]]

    assert found(target="b@x.example") == ["info", "sales"]
    assert found(target="a@x.example") == ["sales"]
    assert found(enabled="false", domain="linuxadmin.dev") == ["info"]
    assert found(search="sal") == ["sales"]
