"""A committed change, whoever made it, is in force within a second."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import psycopg
import pytest

from mailcore.config.live import LiveConfig
from mailcore.db.pool import open_pool
from mailcore.offload import Offload


@asynccontextmanager
async def live_config(dsn: str) -> AsyncIterator[LiveConfig]:
    pool = open_pool(dsn, 2)
    live = LiveConfig(dsn, Offload(pool, 2))
    await live.start()
    try:
        yield live
    finally:
        await live.stop()
        pool.close()


async def changed_within_a_second(live: LiveConfig, before: int) -> float:
    start = time.monotonic()
    while live.current().generation == before:
        assert time.monotonic() - start < 1.0, "not in force after a second"
        await asyncio.sleep(0.005)
    return time.monotonic() - start


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute(statement)


def test_a_change_in_psql_is_in_force_within_a_second(database_url):
    async def scenario() -> None:
        async with live_config(database_url) as live:
            before = live.current()
            assert "192.0.2.9" not in before.mynetworks

            await asyncio.to_thread(
                execute, database_url, "INSERT INTO my_network VALUES (DEFAULT, '192.0.2.0/24', '', true, '')"
            )
            await changed_within_a_second(live, before.generation)

            assert "192.0.2.9" in live.current().mynetworks
            assert ip_network("192.0.2.0/24") in live.current().mynetworks.networks

    asyncio.run(scenario())


def test_the_change_is_in_force_even_when_the_listening_connection_is_cut(database_url):
    async def scenario() -> None:
        async with live_config(database_url) as live:
            await asyncio.sleep(0.3)
            kill = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'"
            await asyncio.to_thread(execute, database_url, kill)
            before = live.current().generation

            await asyncio.to_thread(execute, database_url, "UPDATE server_settings SET myhostname = 'mx.example.org'")
            await changed_within_a_second(live, before)

            assert live.current().myhostname == "mx.example.org"

    asyncio.run(scenario())


@pytest.mark.parametrize("cidr", ["0.0.0.0/0", "8.0.0.0/8", "::/0", "0.0.0.0/1"])
def test_the_database_refuses_an_open_relay_unless_confirmed_by_name(database_url, cidr):
    insert = "INSERT INTO my_network (cidr, note, enabled, open_relay_confirmation) VALUES ('{}', '', true, '{}')"

    with pytest.raises(psycopg.errors.CheckViolation):
        execute(database_url, insert.format(cidr, "yes"))

    execute(database_url, insert.format(cidr, cidr))


def test_logging_in_is_no_change_of_configuration(database_url):
    def generation() -> int:
        with psycopg.connect(database_url) as conn:
            return conn.execute("SELECT generation FROM config_generation").fetchone()[0]

    execute(database_url, "INSERT INTO domain VALUES ('example.org', 'local', true, '', now(), NULL)")
    execute(
        database_url,
        "INSERT INTO account (address, password, display_name, quota_bytes, enabled, store, allow_imap, allow_pop3, "
        "allow_smtp, is_staff, is_superuser, created_at) VALUES ('a@example.org', '!', '', 0, true, 'maildir', true, "
        "true, true, false, false, now())",
    )
    before = generation()

    execute(database_url, "INSERT INTO account_login (account_id, protocol, at) SELECT id, 'imap', now() FROM account")
    assert generation() == before

    execute(database_url, "UPDATE account SET quota_bytes = 5")
    assert generation() == before + 1
