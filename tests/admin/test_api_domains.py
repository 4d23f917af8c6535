"""/api/v1/domains/"""

import pytest

from mailadmin.directory.models import Account, Alias, Domain
from tests.admin.api_support import ApiClient, assert_problem

pytestmark = pytest.mark.django_db


@pytest.fixture
def api():
    return ApiClient("domains:write")


def test_put_creates_then_replaces(api):
    assert api.put("/domains/Example.ORG/", {"description": "ours"})[0] == 201
    status, body = api.put("/domains/example.org/", {"name": "example.org"})

    assert status == 200
    assert body["name"] == "example.org"
    assert body["description"] == "", "PUT replaces: what is missing goes back to its default"


def test_a_local_domain_is_created_with_its_system_aliases(api):
    Domain.objects.create(name="mailkeep.test")
    Account.objects.create_superuser("admin@mailkeep.test", "a long password")

    _, body = api.post("/domains/", {"name": "linuxadmin.dev", "kind": "local"})

    made = Alias.objects.filter(domain="linuxadmin.dev", is_system=True).values_list("address", flat=True)
    assert sorted(made) == ["abuse@linuxadmin.dev", "postmaster@linuxadmin.dev", "root@linuxadmin.dev"]
    assert body["alias_count"] == 3
