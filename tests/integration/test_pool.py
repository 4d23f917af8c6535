"""The pool while PostgreSQL is away: patient once, then quick to say so, and there again soon after it is back."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from psycopg_pool import PoolTimeout

from mailcore.db import pool as pools
from tests.fixtures_servers import choose_free_port, wait_until


def test_only_the_first_wait_for_a_database_that_is_away_is_long(
    monkeypatch: pytest.MonkeyPatch, free_port: Callable[[], int]
):
    monkeypatch.setattr(pools, "WAIT_TIMEOUT_S", 2.0)
    pool = pools.open_pool(f"postgresql://nobody@127.0.0.1:{free_port()}/none", 2)
    try:
        first_s, second_s = seconds_until_refused(pool), seconds_until_refused(pool)

        assert first_s >= 2.0
        assert second_s < 1.0
    finally:
        pool.close()


def test_it_is_connected_soon_after_the_database_is_back(database_url: str, relay: Relay):
    pool = pools.open_pool(relay.url(database_url), 2)
    try:
        with pytest.raises(PoolTimeout), pool.connection(timeout=4.0):
            pass
        relay.open()
        back_at = time.monotonic()

        wait_until(lambda: answers(pool), seconds=10)

        assert time.monotonic() - back_at < 2.5
    finally:
        pool.close()


def test_after_an_outage_it_is_patient_again(database_url: str, relay: Relay, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pools, "WAIT_TIMEOUT_S", 1.0)
    pool = pools.open_pool(relay.url(database_url), 1)
    try:
        seconds_until_refused(pool)
        relay.open()
        wait_until(lambda: answers(pool), seconds=10)

        with pool.connection():
            assert seconds_until_refused(pool) >= 1.0
    finally:
        pool.close()


def seconds_until_refused(pool: pools.PatientPool) -> float:
    began_at = time.monotonic()
    with pytest.raises(PoolTimeout), pool.connection():
        pass
    return time.monotonic() - began_at


def answers(pool: pools.PatientPool) -> bool:
    try:
        with pool.connection() as conn:
            conn.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


class Relay:
    """A port in front of the real one: nobody listens there before `open`."""

    def __init__(self) -> None:
        self.port = choose_free_port()
        self._target = ("", 0)
        self._listener: socket.socket | None = None

    def url(self, database_url: str) -> str:
        parts = urlsplit(database_url)
        assert parts.hostname is not None and parts.port is not None
        self._target = (parts.hostname, parts.port)
        return urlunsplit(parts._replace(netloc=parts.netloc.replace(f":{parts.port}", f":{self.port}")))

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            for source, target in ((client, server), (server, client)):
                threading.Thread(target=_copy, args=(source, target), daemon=True).start()


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        source.close()
        target.close()


@pytest.fixture
def relay() -> Iterator[Relay]:
    relay = Relay()
    yield relay
    relay.close()
