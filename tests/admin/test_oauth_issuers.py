"""OAuth issuers in the panel and by API: what is no key is refused, what is stored is what the programs read."""

import json

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from mailadmin.audit.models import AuditEntry
from mailadmin.database import raw_connection
from mailadmin.directory.models import OauthIssuer
from mailcore.config.loader import load_snapshot
from mailcore.config.snapshot import OauthIssuer as Configured
from tests.admin.api_support import ApiClient, assert_problem
from tests.admin.panel_support import errors_of, text_of

pytestmark = pytest.mark.django_db
ADD = "/admin/directory/oauthissuer/add/"
KEYS = json.dumps({"keys": [RSAAlgorithm.to_jwk(rsa.generate_private_key(65537, 2048).public_key(), as_dict=True)]})
GOOD = {"issuer": "https://id.example.org", "audience": "mail", "jwks_url": "https://id.example.org/jwks"}


def form(**changes: str) -> dict[str, str]:
    return {**GOOD, "jwks": "", "address_claim": "email", "enabled": "on", **changes}


def configured() -> tuple[Configured, ...]:
    return load_snapshot(raw_connection()).oauth_issuers


def test_an_administrator_trusts_an_issuer(panel):
    assert "No issuer yet" in text_of(panel.get("/admin/directory/oauthissuer/"))
    before = load_snapshot(raw_connection()).generation

    assert panel.post(ADD, form()).status_code == 302

    assert configured() == (Configured("https://id.example.org", "mail", "https://id.example.org/jwks"),)
    assert load_snapshot(raw_connection()).generation > before
    assert AuditEntry.objects.filter(object_type="OAuth issuer").count() == 1


def test_one_that_is_switched_off_is_nobody(panel):
    panel.post(ADD, form(enabled=""))

    assert OauthIssuer.objects.count() == 1 and configured() == ()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"jwks_url": "http://id.example.org/jwks"}, "jwks_url"),
        ({"jwks_url": "file:///etc/passwd"}, "jwks_url"),
        ({"jwks_url": "http://127.example.org/jwks"}, "jwks_url"),
        ({"jwks_url": "https://[::1"}, "jwks_url"),
        ({"jwks_url": "", "jwks": "{}"}, "jwks"),
        ({"jwks_url": "", "jwks": '{"keys": []}'}, "jwks"),
        ({"jwks_url": ""}, "__all__"),
        ({"jwks": KEYS}, "__all__"),
        ({"issuer": ""}, "issuer"),
        ({"audience": ""}, "audience"),
    ],
)
def test_what_is_no_issuer(panel, changes, field):
    assert list(errors_of(panel.post(ADD, form(**changes)))) == [field]


def test_keys_may_be_given(panel):
    assert panel.post(ADD, form(jwks_url="", jwks=KEYS)).status_code == 302
    assert configured()[0].jwks == KEYS


def test_the_api_does_the_same():
    api = ApiClient("settings:write")

    status, made = api.post("/oauth-issuers", GOOD)
    assert (status, made["enabled"], made["address_claim"]) == (201, True, "email")
    assert api.patch(f"/oauth-issuers/{made['id']}", {"audience": "post"})[1]["audience"] == "post"
    assert configured()[0].audience == "post"
    assert api.get("/oauth-issuers")[1]["results"][0]["issuer"] == GOOD["issuer"]
    api.post("/oauth-issuers", {**GOOD, "jwks_url": "x"})
    assert_problem(api.response, 400, "issuer", "jwks_url")
    api.patch(f"/oauth-issuers/{made['id']}", {"jwks": KEYS})
    assert_problem(api.response, 400, "non_field_errors")
    assert ApiClient("settings:read").delete(f"/oauth-issuers/{made['id']}")[0] == 403
    assert api.delete(f"/oauth-issuers/{made['id']}")[0] == 204
    assert configured() == ()
