"""Blocking work for event loops: one unit of work at a time in a bounded pool of threads with a connection each.

As many threads as database connections: a thread never waits for a connection, a connection is never idle while work
waits. Units of work are plain functions over a psycopg connection (docs/architecture.md, idea 6).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import psycopg
from psycopg_pool import ConnectionPool

from mailcore.workers import Workers

P = ParamSpec("P")
T = TypeVar("T")
Connection = psycopg.Connection[Any]


class Offload:
    """Awaitable calls of blocking functions. Errors of the function come out of the await."""

    def __init__(self, pool: ConnectionPool[Connection], threads: int) -> None:
        self._pool = pool
        self._workers = Workers(threads, "offload")

    async def __call__(self, fn: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn(conn, *args, **kwargs)` on a pool thread. psycopg.OperationalError: no database answers."""
        return await self._workers.call(lambda: with_connection(self._pool, fn, *args, **kwargs))

    async def plain(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking function that needs no database."""
        return await self._workers.call(lambda: fn(*args, **kwargs))

    def close(self) -> None:
        """Finish what runs, drop what waits."""
        self._workers.close()


def with_connection(
    pool: ConnectionPool[Connection], fn: Callable[Concatenate[Connection, P], T], /, *args: P.args, **kwargs: P.kwargs
) -> T:
    """One unit of work on this thread. Raises psycopg.OperationalError: no database answers."""
    with pool.connection() as conn:
        try:
            return fn(conn, *args, **kwargs)
        finally:
            if conn.broken:
                # The server went away: the idle connections are as dead as this one. One error is enough.
                pool.check()
