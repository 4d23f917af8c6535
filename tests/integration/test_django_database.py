"""Django's connection for mailcore after the server has closed it, as it does when PostgreSQL is restarted."""

import psycopg
import pytest
from django.db import close_old_connections, connection

from mailadmin.database import raw_connection


def close_from_outside(url):
    pid = raw_connection().info.backend_pid
    with psycopg.connect(url, autocommit=True) as conn:
        assert conn.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,)).fetchone() == (True,)


def test_the_next_request_does_not_notice(django_database, monkeypatch):
    monkeypatch.setattr(connection, "health_check_enabled", True)
    monkeypatch.setitem(connection.settings_dict, "CONN_MAX_AGE", 60)
    close_from_outside(django_database)

    close_old_connections()  # what Django does at the beginning of a request

    assert raw_connection().execute("SELECT 1").fetchone() == (1,)


def test_whoever_is_in_the_middle_hears_of_it_once(django_database):
    close_from_outside(django_database)

    with pytest.raises(psycopg.OperationalError):
        raw_connection().execute("SELECT 1")

    assert raw_connection().execute("SELECT 1").fetchone() == (1,)
