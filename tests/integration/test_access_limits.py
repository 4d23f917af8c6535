"""Limits of connections on real sockets: by client address, by account, for the process; on TLS ports too."""

import asyncio
import contextlib
import ipaddress
import multiprocessing
import os
import signal
import socket
import ssl
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import uvloop

from accessd.limits import ConnectionLimits
from accessd.listener import SILENT_S, Listener
from accessd.settings import Endpoint
from accessd.tally import Tally, meeting_place
from mailcore.config.snapshot import NetworkSet, Snapshot
from mailcore.directory.lookups import AccountRecord
from mailcore.errors import TooManyConnections
from mailcore.identity import AccountRef
from mailcore.tls import Certificate
from tests.fixtures_servers import choose_free_port
from tests.integration.loopback_certificate import authority as authority

GREETING = {"imap": b"* OK hello\r\n", "pop3": b"+OK hello\r\n"}
BYE = b"* BYE [UNAVAILABLE] Too many connections from your address\r\n"
ERR = b"-ERR [SYS/TEMP] Too many connections from your address\r\n"


@contextlib.asynccontextmanager
async def listening(authority, folder, protocol="imap", *, tls=False, most=1000, serve=None, **settings):
    """A listener whose sessions say hello and read until the client goes. Gives (listener, limits, connect)."""

    async def greet(connection):
        connection.write(GREETING[protocol])
        while await connection.read_some():
            pass

    config = Snapshot(**settings)
    limits = ConnectionLimits(Tally(folder), lambda: config, most=most)
    port, certificate = choose_free_port(), Certificate(*authority.paths)
    listener = Listener(
        ("127.0.0.1",),
        [Endpoint(protocol, port, tls)],
        certificate,
        {protocol: serve or greet},
        limits,
        trusts_balancer=bool,
    )
    await listener.start()
    context = ssl.create_default_context(cafile=str(authority.ca)) if tls else None
    writers = []

    async def connect():
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writers.append(writer)
        return await reader.readline(), reader, writer

    try:
        yield SimpleNamespace(listener=listener, limits=limits, connect=connect, port=port)
    finally:
        for writer in writers:
            writer.close()
        await listener.stop_accepting()
        limits.close()


async def until(condition):
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - nobody tells when a connection is gone
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(("protocol", "refusal"), [("imap", BYE), ("pop3", ERR)])
def test_one_address_has_so_many_connections_and_no_more(authority, tmp_path, protocol, refusal, tls):
    async def dialogue():
        async with listening(authority, tmp_path, protocol, tls=tls, address_connection_limit=2) as site:
            first, second, third = [await site.connect() for _ in range(3)]
            refused = third[0], await third[1].read()
            first[2].close()
            await until(lambda: len(site.listener.connections) == 1)
            return first[0], second[0], refused, (await site.connect())[0]

    hello = GREETING[protocol]

    assert uvloop.run(dialogue()) == (hello, hello, (refusal, b""), hello)


def test_networks_of_ours_have_as_many_as_they_like(authority, tmp_path):
    async def dialogue():
        ours = NetworkSet((ipaddress.ip_network("127.0.0.0/8"),))
        async with listening(authority, tmp_path, address_connection_limit=1, mynetworks=ours) as site:
            return [(await site.connect())[0] for _ in range(3)]

    assert uvloop.run(dialogue()) == [GREETING["imap"]] * 3


@pytest.mark.parametrize(
    ("protocol", "refusal"),
    [("imap", b"* BYE [UNAVAILABLE] Too many connections\r\n"), ("pop3", b"-ERR [SYS/TEMP] Too many connections\r\n")],
)
def test_a_full_process_says_so(authority, tmp_path, protocol, refusal):
    async def dialogue():
        async with listening(authority, tmp_path, protocol, most=1) as site:
            return [(await site.connect())[0] for _ in range(2)]

    assert uvloop.run(dialogue()) == [GREETING[protocol], refusal]


def test_connections_without_a_handshake_leave_nothing_behind(authority, tmp_path):
    async def dialogue():
        async with listening(authority, tmp_path, tls=True, address_connection_limit=1) as site:
            for _ in range(5):
                with socket.create_connection(("127.0.0.1", site.port)) as plain:
                    plain.sendall(b"a1 LOGIN in the clear\r\n")
            greeting = (await site.connect())[0]
            return greeting, len(site.listener.connections)

    assert uvloop.run(dialogue()) == (GREETING["imap"], 1)


def test_a_session_that_has_ended_counts_no_more_and_its_client_is_cut_off_soon(authority, tmp_path, monkeypatch):
    monkeypatch.setattr("accessd.connection.ENDING_LOOK_S", 0.2)

    async def dialogue():
        async with listening(authority, tmp_path, tls=True, address_connection_limit=1) as site:
            silent = await asyncio.to_thread(a_client, site.port, tls=True)
            await asyncio.to_thread(silent.recv, 100)
            (connection,) = site.listener.connections
            site.limits.log_in(connection, an_account(7))
            connection.expire("Ended by the administrator")
            async with asyncio.timeout(2):
                await connection.task
                next_one = (await site.connect())[0]
                counts = site.limits._tally.count("account 7"), connection in site.listener.connections
                await until(lambda: connection not in site.limits.ending)
            silent.close()
            return next_one, counts

    assert uvloop.run(dialogue()) == (GREETING["imap"], (0, False))


@pytest.mark.parametrize("tls", [False, True])
def test_who_reads_slowly_is_not_cut_off_before_it_has_all(authority, tmp_path, monkeypatch, tls):
    """Sixteen times more than the kernel's smallest buffers hold, read in pieces with a look in between."""
    monkeypatch.setattr("accessd.connection.ENDING_LOOK_S", 0.05)
    monkeypatch.setattr("accessd.connection.ENDING_LOOKS", 10)
    size = 400_000

    async def serve(connection):
        connection.write(b"x" * size)

    async def dialogue():
        async with listening(authority, tmp_path, tls=tls, serve=serve) as site:
            return await asyncio.to_thread(read_slowly, site.port, tls)

    assert uvloop.run(dialogue()) == size


@pytest.mark.parametrize("tls", [False, True])
def test_who_reads_nothing_is_cut_off(authority, tmp_path, monkeypatch, tls):
    monkeypatch.setattr("accessd.connection.ENDING_LOOK_S", 0.05)

    async def serve(connection):
        connection.write(b"x" * 8_000_000)

    async def dialogue():
        async with listening(authority, tmp_path, tls=tls, serve=serve) as site:
            silent = await asyncio.to_thread(a_client, site.port, tls=tls)
            async with asyncio.timeout(3):
                await until(lambda: site.limits.ending)
                await until(lambda: not site.limits.ending)
            silent.close()

    uvloop.run(dialogue())


def a_client(port, *, tls):
    """A socket that takes little at a time, after the handshake, and does nothing by itself."""
    client = socket.socket()
    client.settimeout(10)
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect(("127.0.0.1", port))
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(client) if tls else client


def read_slowly(port, tls):
    size = 0
    with a_client(port, tls=tls) as client:
        while piece := client.recv(20_000):
            size += len(piece)
            time.sleep(0.002)
    return size


def test_an_account_has_so_many_connections_whatever_the_protocol(tmp_path):
    limits = ConnectionLimits(Tally(tmp_path), lambda: Snapshot(account_connection_limit=2), most=10)
    connections = [a_connection() for _ in range(4)]
    for connection in connections:
        limits.arrived(connection)

    limits.log_in(connections[0], an_account(7))
    limits.log_in(connections[1], an_account(7))
    with pytest.raises(TooManyConnections):
        limits.log_in(connections[2], an_account(7))
    limits.log_in(connections[3], an_account(8))
    limits.left(connections[0])
    limits.log_in(connections[2], an_account(7))

    assert [connection.account_id for connection in connections] == [0, 7, 7, 8]
    limits.close()


def test_a_login_that_ends_after_the_connection_is_not_counted(tmp_path):
    limits = ConnectionLimits(Tally(tmp_path), lambda: Snapshot(account_connection_limit=1), most=10)
    gone, here = a_connection(), a_connection()
    limits.arrived(gone)
    limits.left(gone)

    with pytest.raises(ConnectionResetError):
        limits.log_in(gone, an_account(7))

    limits.arrived(here)
    limits.log_in(here, an_account(7))
    limits.close()


def an_account(number):
    return AccountRecord(AccountRef(number, f"account{number}@example.org"))


class a_connection:
    """What limits look at."""

    def __init__(self):
        self.peer, self.account_id, self.app_password_id, self.told = "192.0.2.1", 0, 0, 0


def count_in_a_process_of_its_own(folder, ready):
    tally = Tally(folder)
    tally.add("account 7")
    tally.add("account 7")
    ready.set()
    signal.pause()


def test_other_processes_count_until_they_die(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready, tally = spawn.Event(), Tally(tmp_path)
    other = spawn.Process(target=count_in_a_process_of_its_own, args=(tmp_path, ready))
    other.start()
    assert ready.wait(20)

    tally.look_for_others()
    together = tally.add("account 7"), tally.count("account 8")
    os.kill(other.pid, signal.SIGKILL)
    other.join()
    tally.look_for_others()

    assert together == (3, 0)
    assert tally.count("account 7") == 1
    tally.close()
    assert not tmp_path.exists(), "nothing is left in memory"


def test_processes_meet_where_nobody_else_may_come_in(tmp_path, monkeypatch):
    monkeypatch.setattr("accessd.tally._SHARED_MEMORY", tmp_path)
    place = meeting_place(Path("/home/of/mail"))

    assert place == meeting_place(Path("/home/of/mail")) != meeting_place(Path("/another"))
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o777)
    elsewhere = meeting_place(Path("/home/of/mail"))

    assert elsewhere.parent != tmp_path
    Tally(elsewhere).close()
    assert not elsewhere.exists()


def test_a_dead_pop3_client_is_noticed_by_the_system(authority, tmp_path):
    async def dialogue():
        async with listening(authority, tmp_path, "pop3") as site:
            await site.connect()
            (connection,) = site.listener.connections
            accepted = connection._transport.get_extra_info("socket")
            return [
                accepted.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE),
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE),
                accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT),
            ]

    assert uvloop.run(dialogue()) == [1, 60, 120_000]


def test_sessions_are_told_of_silence_and_ended_after_more_of_it(authority, tmp_path):
    async def dialogue():
        async with listening(authority, tmp_path, "pop3") as site:
            await site.connect()
            (connection,) = site.listener.connections
            silent = []
            connection.on_silent = lambda: silent.append(connection.farewell)
            begun = connection.last_active
            site.listener.sweep(begun + SILENT_S - 1)
            heard_early = len(silent)
            site.listener.sweep(begun + SILENT_S + 1)
            site.listener.sweep(begun + connection.idle_limit_s + 1)
            return heard_early, silent, connection.farewell

    assert uvloop.run(dialogue()) == (0, [""], "Idle for too long")
