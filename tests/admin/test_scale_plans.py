"""What is asked of large tables is answered by indexes: no list, search or look-up reads one of them from end to end.

The small edition of tests/bench/panel_scale.py: some thousand rows, enough for the planner to have the choice.
"""

import re
from collections.abc import Iterator

import psycopg
import pytest
from django.test import Client
from django.utils import timezone

from mailadmin.directory.models import Account
from mailadmin.trace.retention import make_partitions
from mailcore.directory import statements as directory
from tests.bench.panel_pages import counted_queries
from tests.bench.panel_seed import SMALL, seed
from tests.fixtures_django import _django_address, connect_django_to

PIECE = "er000123"
# Pages whose statements on these tables must all be answered by an index.
BY_INDEX = {
    f"/admin/directory/account/?q={PIECE}": "account",
    f"/admin/directory/alias/?q={PIECE}": "alias",
    "/api/v1/aliases?search=us": "alias",
    f"/admin/mailboxes/mailbox/?q={PIECE}": "mailbox",
    f"/admin/audit/auditentry/?q={PIECE}": "audit_entry",
    "/admin/audit/auditentry/": "audit_entry",
    "/admin/directory/alias/": "alias",
    "/admin/directory/alias/?enabled__exact=0": "alias",
    "/admin/trace/": "trace_event",
    "/admin/trace/?recipient=user000123@big.example": "trace_event",
    "/admin/trace/?sender=@out77.example": "trace_event",
    "/admin/trace/?recipient=@nowhere.example": "trace_event",
    "/admin/trace/?message_id=nothing@example": "trace_event",
    "/admin/trace/?client=10.9.0.0/16": "trace_event",
    "/admin/trace/?q=nobody@nowhere.example": "trace_event",
    "/admin/trace/?outcome=bounced": "trace_event",
}


@pytest.fixture(scope="module")
def filled(servers, django_db_blocker) -> Iterator[psycopg.Connection]:
    """A database with SMALL in it, Django's connection on it, sequential scans as dear as on a large one."""
    url = servers.create_database()
    with psycopg.connect(url, autocommit=True) as conn, django_db_blocker.unblock():
        list(seed(conn, SMALL))
        conn.execute("SET enable_seqscan = off")
        before = connect_django_to(_django_address(url))
        yield conn
        connect_django_to(before)
    servers.drop_database(url)


@pytest.fixture
def panel(filled) -> Client:
    client = Client()
    client.force_login(Account.objects.get(is_superuser=True))
    return client


def sequential(conn: psycopg.Connection, statement: str, parameters: object, table: str) -> list[str]:
    """The nodes of the plan that read `table` from end to end though an index was to be had."""
    rows = conn.execute(f"EXPLAIN {statement}", parameters).fetchall()
    return [line for (line,) in rows if re.search(rf"Seq Scan on {table}(_\w+)?\b", line)]


@pytest.mark.parametrize(("address", "table"), BY_INDEX.items(), ids=list(BY_INDEX))
def test_lists_of_large_tables_are_answered_by_indexes(filled, panel, address, table):
    with counted_queries(parameters=True) as asked:
        assert panel.get(address).status_code == 200

    about = [(statement, given) for statement, given in asked if re.search(rf'\bFROM "?{table}"?\b', statement)]
    read = [line for statement, given in about for line in sequential(filled, statement, given, table)]
    assert about and read == []


@pytest.mark.parametrize(
    ("name", "parameters", "table"),
    [
        ("ENTRY", {"key": "user000123@big.example"}, "account"),
        ("ENTRY", {"key": "user000123@big.example"}, "alias"),
        ("ALIASES_TO", {"target": "user000123@big.example"}, "alias"),
    ],
)
def test_the_directory_looks_up_one_row_and_loads_no_table(filled, name, parameters, table):
    assert sequential(filled, getattr(directory, name), parameters, table) == []


def test_a_search_for_a_frequent_word_stops_early(panel):
    with counted_queries() as asked:
        page = panel.get("/admin/directory/alias/?q=example").content.decode()

    assert "more than 10,000" in page or f"{SMALL.accounts * SMALL.aliases_each} aliases" in page.replace("\n", " ")
    assert any("LIMIT 10001" in statement for statement in asked)


def test_old_weeks_of_a_filled_trace_are_dropped(filled):
    assert make_partitions(filled, timezone.now()) == 0
    before = filled.execute("SELECT count(*) FROM trace_event").fetchone()[0]
    oldest = timezone.now() - timezone.timedelta(days=45)

    assert filled.execute("SELECT trace_forget_before(%s)", [oldest]).fetchone()[0] >= 1

    kept, first = filled.execute("SELECT count(*), min(at) FROM trace_event").fetchone()
    assert 0 < kept < before and first > oldest - timezone.timedelta(days=7)


def test_nobody_sorts_a_million_lines_by_typing_an_address(filled, panel):
    with counted_queries() as asked:
        assert panel.get("/admin/audit/auditentry/?o=1").status_code == 200

    assert not any('ORDER BY "audit_entry"."actor"' in statement for statement in asked)


def test_a_page_beyond_the_last_one_leads_back_to_the_list(panel):
    assert panel.get("/admin/directory/alias/?p=999999").status_code == 302
