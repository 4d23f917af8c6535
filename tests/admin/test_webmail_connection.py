"""mailcore on Django's connection: one session, one transaction, psycopg's own manners."""

import pytest
from django.db import connection, transaction

from mailadmin.database import raw_connection
from mailadmin.directory.models import Domain

INSERT = (
    "INSERT INTO domain (name, kind, enabled, description, created_at) VALUES ('a.example', 'local', true, '', now())"
)


@transaction.atomic
def insert_and_fail() -> None:
    # Nothing has been said to the server yet: the block below must not become the whole transaction.
    with raw_connection().transaction():
        raw_connection().execute(INSERT)
    Domain.objects.create(name="b.example")
    raise RuntimeError


def test_what_django_rolls_back_is_rolled_back(django_database):
    with pytest.raises(RuntimeError):
        insert_and_fail()

    assert not Domain.objects.exists()


def test_a_unit_of_work_outside_of_a_transaction_commits(django_database):
    with raw_connection().transaction():
        raw_connection().execute(INSERT)
    connection.close()

    assert Domain.objects.filter(name="a.example").exists()


def test_results_may_be_binary_and_json_is_json(db):
    conn = raw_connection()

    assert conn.execute("SELECT 5::bigint, ARRAY['a']", binary=True).fetchone() == (5, ["a"])
    assert conn.execute("SELECT '{\"a\": 1}'::jsonb").fetchone() == ({"a": 1},)
    assert conn is raw_connection()


def test_a_new_session_gets_a_new_connection(django_database):
    first = raw_connection()
    connection.close()
    second = raw_connection()

    assert first.closed
    assert second.execute("SELECT 1").fetchone() == (1,)


def test_both_may_prepare_statements(django_database):
    for _ in range(12):
        assert raw_connection().execute("SELECT %s::int", (1,)).fetchone() == (1,)
        assert Domain.objects.count() == 0
