"""The connection pool of a program: as large as its thread pool (mailcore.offload)."""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg.abc import PQGen
from psycopg_pool import ConnectionPool, PoolTimeout

from mailcore.db import arrays, scripts

Connection = psycopg.Connection[Any]

CONNECT_TIMEOUT_S = 5
WAIT_TIMEOUT_S = 5.0  # then PoolTimeout: the client hears 4xx instead of waiting for a database that is away
# Who comes after that hears it at once: with a few threads for all clients, each would wait for the patience of others.
AWAY_TIMEOUT_S = 0.25
# How long the pool tries on its own, a second apart; after that each request tries anew. psycopg_pool doubles its
# pauses until this time is over, so a longer one is time in which the database is back and nobody looks.
RECONNECT_S = 2.0


class PooledConnection(Connection):
    """Tells scripts when psycopg has all prepared statements forgotten, as it does at a rollback: else each would have
    to find out by an error.
    """

    def _deallocate(self, name: bytes | None) -> PQGen[None]:
        if name is None:
            scripts.forget(self)
        return super()._deallocate(name)


class PatientPool(ConnectionPool[Connection]):
    """Waits for a database that is being restarted; while it is known to be away, says so without waiting."""

    _is_away = False

    def getconn(self, timeout: float | None = None) -> Connection:
        if timeout is None and self._is_away:
            timeout = AWAY_TIMEOUT_S
        try:
            conn = super().getconn(timeout)
        except PoolTimeout:
            self._is_away = True
            raise
        self._is_away = False
        return conn

    def _get_ready_connection(self, timeout: float | None) -> Connection | None:
        """The one that was given back last; psycopg_pool gives the one that has waited longest. Little work is then
        done by few processes of PostgreSQL, whose plans and caches are warm. Called under the pool's lock.
        """
        self._pool.rotate(1)
        return super()._get_ready_connection(timeout)


def configure(conn: Connection) -> None:
    """Autocommit: units of work open their own transactions; plain reads cost one round trip. Quick lists."""
    conn.autocommit = True
    arrays.register(conn)


def open_pool(dsn: str, size: int, *, name: str = "") -> PatientPool:
    """A pool that gives up on a database that is away for 5 s (PoolTimeout).

    All its connections are opened at the start: a burst of clients does not wait for PostgreSQL to start processes.
    """
    return PatientPool(
        dsn,
        min_size=size,
        max_size=size,
        connection_class=PooledConnection,
        configure=configure,
        timeout=WAIT_TIMEOUT_S,
        reconnect_timeout=RECONNECT_S,
        check=None,
        name=name or None,
        kwargs={"connect_timeout": CONNECT_TIMEOUT_S, "application_name": name},
        open=True,
    )


def is_unavailable(error: BaseException) -> bool:
    """Whether the error means "the database cannot be asked now" (and not "the question was wrong")."""
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
