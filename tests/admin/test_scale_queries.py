"""A list costs the same number of statements whether it has ten rows or two hundred, in the panel and in the API.

The lists are found in the admin registry and the API's router, so a new one is tried without a line here; every table
that has a list must be filled by tests/bench/panel_seed.py, or the test fails.
"""

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
from django.contrib import admin
from django.test import Client

from mailadmin.api.tokens import create_token
from mailadmin.api.urls import VIEWSETS
from mailadmin.directory.models import Account
from tests.bench.panel_pages import API, Page, api_pages, counted_queries, panel_pages, trace_pages
from tests.bench.panel_seed import Sizes, seed
from tests.fixtures_django import _django_address, connect_django_to

FEW = Sizes(
    domains=20,
    accounts=10,
    aliases_each=1,
    traced=40,
    queued=10,
    audited=10,
    folder=10,
    rules=10,
    aliased=10,
    sessions=10,
)
MANY = replace(
    FEW,
    domains=200,
    accounts=200,
    traced=800,
    queued=200,
    audited=200,
    folder=200,
    rules=200,
    aliased=200,
    sessions=200,
)
# What is asked of a list, whatever it holds. Words and filters choose other rows in other sizes.
ASKED = (
    "first page",
    "choices",
    "200 a page",
    "as a page",
    "search 'example'",
    "search = example",
    "dashboard",
    "trace: everything",
)


@pytest.fixture(scope="module")
def counts(servers, django_db_blocker) -> dict[int, dict[str, int]]:
    """Statements by name of the page, for few rows and for many."""
    return {
        FEW.accounts: dict(_counted(servers, django_db_blocker, FEW, first=True)),
        MANY.accounts: dict(_counted(servers, django_db_blocker, MANY)),
    }


def _counted(servers, blocker, sizes: Sizes, *, first: bool = False) -> Iterator[tuple[str, int]]:
    url = servers.create_database()
    with psycopg.connect(url, autocommit=True) as conn:
        list(seed(conn, sizes))
    with blocker.unblock():
        before = connect_django_to(_django_address(url))
        try:
            user = Account.objects.get(is_superuser=True)
            _, token = create_token("counting", ["admin"])
            client = Client(headers={"Authorization": f"Bearer {token}"})
            panel = Client()
            panel.force_login(user)
            client.get("/api/v1/status")  # notes that the token was used, once a minute
            for page in pages(user):
                browser = client if page.part == API else panel
                if first:
                    browser.get(page.url)  # what is read once per process is read
                yield f"{page.part} {page.name}", _statements(browser, page)
        finally:
            connect_django_to(before)
            servers.drop_database(url)


def pages(user: Account) -> list[Page]:
    """The lists, in every order, and what their select fields ask."""
    found = [*panel_pages(user), *trace_pages(), *api_pages()]
    return [page for page in found if page.method == "GET" and any(word in page.name for word in ASKED)]


def _statements(client: Client, page: Page) -> int:
    with counted_queries() as found:
        response = client.get(page.url)
    assert response.status_code in (200, 302), page
    return len(found)


def test_no_list_asks_more_often_when_it_is_longer(counts):
    few, many = counts[FEW.accounts], counts[MANY.accounts]

    assert few.keys() == many.keys()
    assert {name: (few[name], many[name]) for name in few if few[name] != many[name]} == {}


def test_every_list_of_the_panel_and_the_api_was_asked(counts):
    listed = {name.partition(":")[0] for name in counts[MANY.accounts]}

    with_lists = [model for model, found in admin.site._registry.items() if getattr(found, "has_list_of_its_own", True)]
    assert {f"panel {model._meta.verbose_name_plural}" for model in with_lists} - listed == set()
    assert {f"API {prefix}" for prefix in VIEWSETS} - listed == set()


def test_no_list_asks_many_times(counts):
    """A page of the panel asks for the session, the user, the badge, then for count, keys, rows and filters."""
    assert max(counts[MANY.accounts].values()) <= 16
