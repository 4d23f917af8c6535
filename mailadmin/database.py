"""Django's connection as mailcore wants it: the psycopg connection underneath, inside Django's transaction."""

from __future__ import annotations

import psycopg
from django.db import connection


def raw_connection() -> psycopg.Connection:
    """The psycopg connection of this thread. `conn.transaction()` on it is a savepoint where Django is in one."""
    connection.ensure_connection()
    return connection.connection
