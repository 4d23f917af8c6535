"""Django's connection as mailcore wants it: a psycopg connection inside Django's transaction.

Django configures its own psycopg connection for its ORM: client-side binding, its own loaders, no binary results.
mailcore expects psycopg as it comes. So both get a psycopg.Connection of their own over one and the same session of the
server: one socket, one transaction, two ways of talking to it. Never from two threads, as Django's connections anyway.
"""

from __future__ import annotations

from typing import Any, cast

import psycopg
from django.db import connection
from psycopg.pq import TransactionStatus


class SharedConnection(psycopg.Connection[Any]):
    """A second psycopg.Connection over the session of `owner`. It begins no transaction by itself."""

    def __init__(self, owner: psycopg.Connection[Any]) -> None:
        super().__init__(owner.pgconn)
        # Set without asking the server, which may be in the middle of Django's transaction.
        self._autocommit = True
        # Both would call their prepared statements by the same names.
        self.prepare_threshold = None


def raw_connection() -> psycopg.Connection[Any]:
    """This thread's connection for mailcore. `conn.transaction()` on it is a savepoint where Django is in one."""
    _drop_if_lost()
    connection.ensure_connection()
    owner = cast(psycopg.Connection[Any], connection.connection)
    if connection.in_atomic_block and owner.pgconn.transaction_status == TransactionStatus.IDLE:
        # Django says BEGIN with its first statement; a savepoint of ours before that would be the whole transaction.
        owner.execute("SELECT 1")
    shared = owner.__dict__.get("mailkeep_shared")
    if shared is None:
        shared = owner.__dict__["mailkeep_shared"] = SharedConnection(owner)
    return cast(psycopg.Connection[Any], shared)


def _drop_if_lost() -> None:
    """After a restart of the server. Django notices by its own statements only, which mailcore's are not."""
    if connection.in_atomic_block:
        return
    connection.close_if_health_check_failed()
    if connection.connection is not None and connection.connection.closed:
        connection.close()
