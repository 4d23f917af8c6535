"""Blocking work for event loops, over connections that may die."""

import asyncio

import psycopg
import pytest

from mailcore.db.pool import open_pool
from mailcore.offload import Connection, Offload

THREADS = 4


def select_one(conn: Connection) -> int:
    return conn.execute("SELECT 1").fetchone()[0]


def slow_select(conn: Connection) -> int:
    return conn.execute("SELECT 1 FROM pg_sleep(0.2)").fetchone()[0]


def end_all_sessions(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


def test_after_a_restart_of_the_database_one_call_fails_and_not_one_for_each_connection(database_url):
    async def scenario() -> None:
        pool = open_pool(database_url, THREADS)
        offload = Offload(pool, THREADS)
        await asyncio.gather(*(offload(slow_select) for _ in range(THREADS)))
        await asyncio.to_thread(end_all_sessions, database_url)

        with pytest.raises(psycopg.OperationalError):
            await offload(select_one)

        assert [await offload(select_one) for _ in range(2 * THREADS)] == [1] * 2 * THREADS
        offload.close()
        pool.close()

    asyncio.run(scenario())


def test_calls_one_after_the_other_use_one_connection(database_url):
    async def scenario() -> None:
        pool = open_pool(database_url, THREADS)
        pool.wait(10)
        offload = Offload(pool, THREADS)

        assert len({await offload(lambda conn: conn.info.backend_pid) for _ in range(2 * THREADS)}) == 1

        await asyncio.gather(*(offload(slow_select) for _ in range(THREADS)))
        assert pool.get_stats()["pool_available"] == THREADS
        offload.close()
        pool.close()

    asyncio.run(scenario())
