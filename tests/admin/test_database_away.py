"""While PostgreSQL is away every page says "come back later": 503, not 500."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client

from tests.fixtures_django import connect_django_to


@pytest.fixture
def signed_in(django_database: str, free_port: Callable[[], int]) -> Client:
    """A browser with the cookie of a session, while nobody listens where the database was."""
    connect_django_to({"PORT": free_port()})
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "0123456789abcdef0123456789abcdef"
    return client


@pytest.mark.parametrize("path", ["/admin/", "/admin/directory/account/", "/mail/", "/mail/folder/1/", "/mail/login/"])
def test_a_page_says_503(signed_in, path):
    response = signed_in.get(path)

    assert response.status_code == 503
    assert response.headers["Retry-After"] == "5"
    assert "One moment, please" in response.content.decode()


def test_signing_in_is_not_a_wrong_password(signed_in):
    response = signed_in.post("/mail/login/", {"username": "a@b.example", "password": "right"})

    assert response.status_code == 503


def test_the_api_says_so_in_its_own_way(signed_in):
    response = signed_in.get("/api/v1/accounts/", headers={"Authorization": "Bearer mk_x"})

    assert (response.status_code, response.headers["Content-Type"]) == (503, "application/problem+json")


def test_what_is_a_bug_stays_a_500(django_database, monkeypatch):
    monkeypatch.setattr(connection, "ensure_connection", lambda: 1 / 0)
    client = Client(raise_request_exception=False)
    client.cookies["sessionid"] = "0123456789abcdef0123456789abcdef"

    assert client.get("/admin/").status_code == 500
