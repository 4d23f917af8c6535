"""What a person sees where there is no page, or where we have failed: a page of ours, not the framework's bare one."""

from __future__ import annotations

import runpy

import pytest
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path

from mailadmin import schema_age


def fail(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("as no page should")


def ask_for_a_column_of_before(_request: HttpRequest) -> HttpResponse:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT column_of_before FROM account")
    raise AssertionError("it is still there")


urlpatterns = [path("fails", fail), path("before", ask_for_a_column_of_before)]
handler500 = "mailadmin.unavailable.server_error"


def test_where_there_is_no_page(django_database):
    response = Client().get("/no/such/page")

    assert response.status_code == 404
    assert "No such page" in response.content.decode()


def test_where_we_have_failed(django_database):
    with override_settings(ROOT_URLCONF=__name__):
        response = Client(raise_request_exception=False).get("/fails")

    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()


# After a migration under a program that runs on.


TOMORROW = "INSERT INTO django_migrations (app, name, applied) VALUES ('directory', '9999_of_tomorrow', now())"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("has_migrated", "url", "status", "words"),
    [
        (True, "/before", 503, "the administrator of this server restarts its programs"),
        (True, "/fails", 500, "Something went wrong"),
        (False, "/before", 500, "Something went wrong"),
    ],
)
def test_who_is_older_than_the_database_says_that_a_restart_is_missing(monkeypatch, has_migrated, url, status, words):
    monkeypatch.setattr(schema_age, "_known", frozenset())
    schema_age.remember()
    if has_migrated:
        with connection.cursor() as cursor:
            cursor.execute(TOMORROW)

    with override_settings(ROOT_URLCONF=__name__):
        response = Client(raise_request_exception=False).get(url)

    assert response.status_code == status
    assert words in response.content.decode()


def test_the_web_knows_its_migrations_from_the_start(monkeypatch):
    monkeypatch.setattr(schema_age, "_known", frozenset())

    runpy.run_module("mailadmin.wsgi")

    assert ("directory", "0001_initial") in schema_age._known
