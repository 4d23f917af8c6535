"""API tokens in the panel: shown once, stored as a hash, audited without either."""

import re

from django.test import Client

from mailadmin.api.models import ApiToken
from mailadmin.api.tokens import hash_token
from mailadmin.audit.models import AuditEntry
from tests.admin.panel_support import errors_of

ADD = "/admin/api/apitoken/add/"


def test_token_is_shown_once_works_and_is_stored_as_a_hash(panel):
    response = panel.post(ADD, {"name": "monitoring", "scopes": ["domains:read"], "enabled": "on"})

    text = re.search(r"mk_[\w-]{43}", response.content.decode()).group()
    token = ApiToken.objects.get(name="monitoring")
    assert token.token_hash == hash_token(text)
    assert "no-store" in response.headers["Cache-Control"]
    answer = Client().get("/api/v1/domains/", headers={"Authorization": f"Bearer {text}"})
    assert answer.status_code == 200

    page = panel.get(f"/admin/api/apitoken/{token.pk}/change/").content.decode()
    assert text not in page and token.token_hash not in page
    logged = str(AuditEntry.objects.get(object_key="monitoring").changes)
    assert text not in logged and token.token_hash not in logged


def test_editing_a_token_keeps_its_text(panel):
    panel.post(ADD, {"name": "monitoring", "scopes": ["domains:read"], "enabled": "on"})
    token = ApiToken.objects.get()

    panel.post(f"/admin/api/apitoken/{token.pk}/change/", {"name": "monitoring", "scopes": ["queue:read"]})

    changed = ApiToken.objects.get()
    assert (changed.token_hash, changed.scopes, changed.enabled) == (token.token_hash, ["queue:read"], False)


def test_token_form_complains_beside_the_field(panel):
    assert "scopes" in errors_of(panel.post(ADD, {"name": "x", "enabled": "on"}))
    assert "scopes" in errors_of(panel.post(ADD, {"name": "x", "scopes": ["root"], "enabled": "on"}))
    assert "name" in errors_of(panel.post(ADD, {"name": "", "scopes": ["admin"]}))
