"""Do PostgreSQL and Valkey answer? Whatever they do instead, nobody waits for long."""

import asyncio
import contextlib
import socket
import time
from urllib.parse import urlsplit

import pytest

from mailadmin.status.servers import postgres_trouble, valkey_trouble

WITHIN_S = 0.4


@pytest.fixture
def silent():
    """The port of a server that is stopped: the kernel accepts for it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@contextlib.contextmanager
def promptly():
    begun = time.monotonic()
    yield
    assert time.monotonic() - begun < 2 * WITHIN_S


def ask_valkey(url):
    return asyncio.run(valkey_trouble(url, WITHIN_S))


def test_postgresql_answers(servers):
    address = urlsplit(servers.postgres().url())

    with promptly():
        assert postgres_trouble(address.hostname, address.port, WITHIN_S) == ""


def test_postgresql_at_a_unix_socket_or_at_one_of_several_hosts_is_left_to_its_driver():
    assert postgres_trouble("/run/postgresql", 5432, WITHIN_S) == ""
    assert postgres_trouble("", 5432, WITHIN_S) == ""
    assert postgres_trouble("a.test,b.test", 5432, WITHIN_S) == ""


def test_postgresql_is_not_there(free_port):
    with promptly():
        assert postgres_trouble("127.0.0.1", free_port(), WITHIN_S) == "connection refused"


def test_postgresql_accepts_and_says_nothing(silent):
    with promptly():
        assert postgres_trouble("127.0.0.1", silent, WITHIN_S) == "timed out"


def test_valkey_answers(redis_url):
    with promptly():
        assert ask_valkey(redis_url) == ""


def test_valkey_is_not_there(free_port):
    with promptly():
        assert ask_valkey(f"redis://127.0.0.1:{free_port()}/0") == "ConnectionError"


def test_valkey_accepts_and_says_nothing(silent):
    with promptly():
        assert ask_valkey(f"redis://:secret@127.0.0.1:{silent}/0") == "TimeoutError"


def test_valkey_does_not_know_us(redis_url):
    with promptly():
        assert ask_valkey(redis_url.replace(":for-tests-only@", ":wrong@")) == "AuthenticationError"
