"""Two processes of accessd, with Redis between them and without."""

import contextlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fixtures_servers import Servers, choose_free_port, wait_until
from tests.integration.imap_server import PASSWORD, ImapServer, prepare_database, prepare_home, start

MESSAGE = b"Subject: hello\r\n\r\nbody\r\n"


@contextmanager
def two_processes(servers: Servers, home: Path, redis_url: str) -> Iterator[tuple[ImapServer, ImapServer]]:
    url = servers.create_database()
    prepare_home(home)
    prepare_database(url)
    both = start(home, url, redis_url), start(home, url, redis_url)
    try:
        yield both
    finally:
        for one in both:
            one.hang_up()
            one.process.send_signal(signal.SIGTERM)
        assert all(one.process.wait(timeout=15) in (0, -signal.SIGKILL) for one in both)
        servers.drop_database(url)


def seconds_until_told(writer_at: ImapServer, reader_at: ImapServer) -> float:
    address = writer_at.account()
    reader, writer = reader_at.login(address), writer_at.login(address)
    reader.ok(b"SELECT INBOX")
    reader.send(b"i IDLE\r\n")
    reader.read_line()
    time.sleep(0.1)  # both have settled: what is measured is the way from one to the other
    start = time.monotonic()

    assert writer.append(b"INBOX", MESSAGE).status == "OK"
    assert reader.read_line() == b"* 1 EXISTS\r\n"
    return time.monotonic() - start


def test_another_process_hears_of_new_mail_at_once(servers: Servers, tmp_path: Path) -> None:
    with two_processes(servers, tmp_path, servers.empty_valkey_database()) as (one, other):
        assert seconds_until_told(one, other) < 0.5


def test_without_redis_new_mail_is_found_after_a_few_seconds(servers: Servers, tmp_path: Path) -> None:
    nowhere = f"redis://127.0.0.1:{choose_free_port()}/0"

    with two_processes(servers, tmp_path, nowhere) as (one, other):
        assert seconds_until_told(one, one) < 0.5
        assert seconds_until_told(one, other) < 8.0


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_a_killed_process_loses_nothing_it_has_acknowledged(servers: Servers, tmp_path: Path, store: str) -> None:
    with two_processes(servers, tmp_path, servers.empty_valkey_database()) as (one, other):
        address = one.account(store)
        client = one.login(address)
        client.send(b"".join(b"a%d APPEND INBOX {5+}\r\n%03d\r\n\r\n" % (n, n) for n in range(200)))
        acknowledged = 0
        while acknowledged < 40:
            assert b" OK [APPENDUID" in client.read_line()
            acknowledged += 1
        one.process.kill()
        one.process.wait()
        with contextlib.suppress(OSError):
            while True:
                acknowledged += b" OK [APPENDUID" in client.read_line()

        survivor = other.login(address)
        survivor.ok(b"SELECT INBOX")
        fetched = survivor.ok(b"FETCH 1:* BODY.PEEK[]").untagged
        bodies = [int(line.split(b"\r\n")[1]) for line in fetched]

        assert bodies == list(range(len(bodies)))
        assert len(bodies) >= acknowledged


def test_connections_of_an_account_are_counted_over_both_until_one_dies(servers: Servers, tmp_path: Path) -> None:
    with two_processes(servers, tmp_path, servers.empty_valkey_database()) as (one, other):
        one.execute("UPDATE server_settings SET account_connection_limit = 2")
        address = one.account()
        first, second = one.login(address), other.login(address)

        for process in (one, other):
            wait_until(lambda at=process: is_over_the_limit(at, address), what="each knows of the other's")
        assert [first.ok(b"NOOP").status, second.ok(b"NOOP").status] == ["OK", "OK"]
        other.process.kill()
        other.process.wait()

        wait_until(lambda: not is_over_the_limit(one, address), what="the dead count no more")


def is_over_the_limit(server: ImapServer, address: str) -> bool:
    client = server.connect()
    answer = client.command(f'LOGIN {address} "{PASSWORD}"'.encode())
    client.close()
    return answer.tagged == b"t1 NO [LIMIT] Too many connections of this account\r\n"
