"""What a person sees where there is no page, or where we have failed: a page of ours, not the framework's bare one."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.test import Client, override_settings
from django.urls import path


def fail(_request: HttpRequest) -> HttpResponse:
    raise RuntimeError("as no page should")


urlpatterns = [path("fails", fail)]


def test_where_there_is_no_page(django_database):
    response = Client().get("/no/such/page")

    assert response.status_code == 404
    assert "No such page" in response.content.decode()


def test_where_we_have_failed(django_database):
    with override_settings(ROOT_URLCONF=__name__):
        response = Client(raise_request_exception=False).get("/fails")

    assert response.status_code == 500
    assert "Something went wrong" in response.content.decode()
