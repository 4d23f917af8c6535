"""Ports that begin with TLS: who never shakes hands is counted, bounded in time, and forgotten, in every program."""

import asyncio
import contextlib
import ipaddress
import ssl
from types import SimpleNamespace

import pytest
import uvloop

from accessd.limits import ConnectionLimits
from accessd.listener import Listener
from accessd.settings import Endpoint
from accessd.tally import Tally
from mailcore import tls_server
from mailcore.clock import SystemClock
from mailcore.config.snapshot import NetworkSet, Snapshot
from mailcore.proxied import ProxiedServer
from mailcore.sockets import open_socket
from mailcore.tls import Certificate
from mailcore.tls_server import MOST_TO_BE_TOLD, TlsServer
from smtpd.limits import ClientCounts, Handshakes
from tests.fakes.balancer import Place, v1
from tests.fixtures_servers import choose_free_port
from tests.integration.loopback_certificate import authority as authority

OURS = NetworkSet((ipaddress.ip_network("127.0.0.0/8"),))
BYE = b"* BYE [UNAVAILABLE] Too many connections from your address\r\n"


@contextlib.asynccontextmanager
async def listening(authority, folder, *, proxied=False, most=1000, **settings):
    """An IMAPS port of accessd. Gives (silent, greeted, limits): two ways to connect, and what counts."""

    async def serve(connection):
        connection.write(b"* OK hello\r\n")
        while await connection.read_some():
            pass

    config = Snapshot(**settings)
    limits = ConnectionLimits(Tally(folder), lambda: config, most=most)
    port, certificate = choose_free_port(), Certificate(*authority.paths)
    endpoint = Endpoint("imap", port, implicit_tls=True, proxied=proxied)
    listener = Listener(
        ("127.0.0.1",), [endpoint], certificate, {"imap": serve}, limits, trusts_balancer=lambda host: True
    )
    await listener.start()
    writers = []

    async def silent(header=b""):
        """A client that sends nothing of TLS."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writers.append(writer)
        writer.write(header)
        return reader

    async def greeted():
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=ssl.create_default_context(cafile=str(authority.ca))
        )
        writers.append(writer)
        return await reader.readline()

    try:
        async with asyncio.timeout(20):
            yield SimpleNamespace(silent=silent, greeted=greeted, limits=limits, writers=writers)
    finally:
        for writer in writers:
            writer.transport.abort()
        await listener.stop_accepting()
        limits.close()


async def until(condition):
    while not condition():  # noqa: ASYNC110 - nobody tells when a handshake has been given up
        await asyncio.sleep(0.005)


async def is_closed(reader):
    try:
        return await reader.read() == b""
    except ConnectionError:
        return True


def test_one_address_may_leave_only_so_many_handshakes_open(authority, tmp_path):
    async def dialogue():
        async with listening(authority, tmp_path, address_connection_limit=2) as site:
            waiting = [await site.silent() for _ in range(2 + MOST_TO_BE_TOLD)]
            await until(lambda: site.limits.handshakes == len(waiting))
            return await is_closed(await site.silent()), [reader.at_eof() for reader in waiting]

    refused, ended = uvloop.run(dialogue())

    assert refused
    assert not any(ended)


def test_the_process_may_have_only_so_many_handshakes(authority, tmp_path):
    async def dialogue():
        async with listening(authority, tmp_path, most=2, address_connection_limit=0) as site:
            waiting = [await site.silent() for _ in range(2 + MOST_TO_BE_TOLD)]
            await until(lambda: site.limits.handshakes == len(waiting))
            return await is_closed(await site.silent())

    assert uvloop.run(dialogue())


def test_handshakes_that_come_to_nothing_are_forgotten(authority, tmp_path):
    """Those who send something else, those who go, and those who are too slow."""

    async def dialogue():
        async with listening(authority, tmp_path, address_connection_limit=1) as site:
            for number in range(2 * MOST_TO_BE_TOLD):
                await site.silent(b"a1 LOGIN in the clear\r\n" if number % 2 else b"")
                if not number % 2:
                    site.writers[-1].transport.abort()
                await until(lambda: site.limits.handshakes == 0)
            return await site.greeted(), site.limits.handshakes, len(site.limits.connections)

    assert uvloop.run(dialogue()) == (b"* OK hello\r\n", 0, 1)


def test_a_handshake_has_its_time(authority, tmp_path, monkeypatch):
    monkeypatch.setattr(tls_server, "HANDSHAKE_LIMIT_S", 0.1)

    async def dialogue():
        async with listening(authority, tmp_path) as site:
            ended = await is_closed(await site.silent()), await is_closed(await site.silent(b"\x16\x03\x01"))
            await until(lambda: site.limits.handshakes == 0)
            return ended

    assert uvloop.run(dialogue()) == (True, True)


def test_who_waits_for_a_handshake_takes_no_connection_from_those_who_had_theirs(authority, tmp_path):
    """The limit is for connections; a few more may shake hands, and are told inside TLS that there are too many."""

    async def dialogue():
        async with listening(authority, tmp_path, address_connection_limit=2) as site:
            for _ in range(3):
                await site.silent()
            return [await site.greeted() for _ in range(3)]

    assert uvloop.run(dialogue()) == [b"* OK hello\r\n", b"* OK hello\r\n", BYE]


def test_networks_of_ours_shake_as_many_hands_as_they_like(authority, tmp_path):
    async def dialogue():
        async with listening(authority, tmp_path, address_connection_limit=1, mynetworks=OURS) as site:
            for _ in range(2 * MOST_TO_BE_TOLD):
                await site.silent()
            return await site.greeted()

    assert uvloop.run(dialogue()) == b"* OK hello\r\n"


def test_behind_a_balancer_it_is_the_clients_that_are_counted(authority, tmp_path):
    def header(host):
        return v1(Place(host, 4711), Place("198.51.100.25", 993))

    async def dialogue():
        async with listening(authority, tmp_path, proxied=True, address_connection_limit=1) as site:
            waiting = [await site.silent(header("203.0.113.9")) for _ in range(1 + MOST_TO_BE_TOLD)]
            await until(lambda: site.limits.handshakes == len(waiting))
            refused = await is_closed(await site.silent(header("203.0.113.9")))
            await site.silent(header("203.0.113.10"))
            await until(lambda: site.limits.handshakes == len(waiting) + 1)
            for writer in site.writers:
                writer.transport.abort()
            await until(lambda: site.limits.handshakes == 0)
            return refused

    assert uvloop.run(dialogue())


# The port of smtpd.


class Quiet(asyncio.Protocol):
    """Hears of no connection: nobody here shakes hands."""

    def __init__(self, origin=None):
        self.origin = origin


@pytest.mark.parametrize("proxied", [False, True])
def test_smtpd_counts_by_its_own_limit(authority, proxied):
    limit = 3
    context = Certificate(*authority.paths).context()
    counts = ClientCounts(SystemClock())
    handshakes = Handshakes(counts, lambda: Snapshot(client_connection_limit=limit))
    host = "203.0.113.9" if proxied else "127.0.0.1"
    header = v1(Place(host, 4711), Place("198.51.100.25", 465)) if proxied else b""

    async def dialogue():
        sock = open_socket("127.0.0.1", 0)
        if proxied:
            server = ProxiedServer(sock, Quiet, (context, handshakes), lambda host: True)
        else:
            server = TlsServer(sock, Quiet, context, handshakes)
        readers, port = [], sock.getsockname()[1]

        async def silent():
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            readers.append((reader, writer))
            writer.write(header)
            return reader

        counts.opened(host)
        for _ in range(limit + MOST_TO_BE_TOLD - 1):
            await silent()
        await until(lambda: handshakes.under_way == len(readers))
        refused = await is_closed(await silent())
        for _, writer in readers:
            writer.transport.abort()
        await until(lambda: handshakes.under_way == 0)
        await silent()
        await until(lambda: handshakes.under_way == 1)
        server.close()
        await until(lambda: handshakes.under_way == 0)
        ended = await is_closed(readers[-1][0])
        readers[-1][1].transport.abort()
        return refused, ended

    async def main():
        async with asyncio.timeout(20):
            return await dialogue()

    assert uvloop.run(main()) == (True, True)
