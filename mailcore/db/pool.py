"""The connection pool of a program: as large as its thread pool (mailcore.offload)."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg_pool import ConnectionPool

Connection = psycopg.Connection[Any]

CONNECT_TIMEOUT_S = 5
WAIT_TIMEOUT_S = 5.0  # then PoolTimeout: the client hears 4xx instead of waiting for a database that is away


def configure(conn: Connection) -> None:
    """Autocommit: units of work open their own transactions; plain reads cost one round trip."""
    conn.autocommit = True


def open_pool(dsn: str, size: int, *, name: str = "") -> ConnectionPool[Connection]:
    """A pool that opens connections as needed and gives up on a database that is away for 5 s (PoolTimeout)."""
    return ConnectionPool(
        dsn,
        min_size=1,
        max_size=size,
        configure=configure,
        timeout=WAIT_TIMEOUT_S,
        reconnect_timeout=30.0,
        check=None,
        name=name or None,
        kwargs={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": name},
        open=True,
    )


def is_unavailable(error: BaseException) -> bool:
    """Whether the error means "the database cannot be asked now" (and not "the question was wrong")."""
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
