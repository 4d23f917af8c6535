"""The listener behind a balancer, in this process: what it does when there is no room, no time, or no more need."""

import asyncio
import errno
import socket
import time

import pytest

from mailcore import accepting, proxied
from mailcore.proxied import ProxiedServer
from mailcore.sockets import open_socket
from tests.fakes.balancer import LOCAL, Place, v1, v2

CLIENT, SERVER = Place("203.0.113.9", 4711), Place("198.51.100.25", 25)


class Greeter(asyncio.Protocol):
    """Says who it thinks is there."""

    def __init__(self, origin):
        self.origin = origin

    def connection_made(self, transport):
        self.transport = transport
        transport.write(f"{self.origin.host}:{self.origin.port}\n".encode())

    def data_received(self, data):
        self.transport.write(data)


class Site:
    def __init__(self, sock, server):
        self.port, self.server = sock.getsockname()[1], server
        self.writers = []

    async def connect(self, header):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        self.writers.append(writer)
        writer.write(header)
        return reader, writer


def run(scenario, *, trusts=lambda host: True):
    """Run a scenario with a server, and hang up."""

    async def main():
        sock = open_socket("127.0.0.1", 0)
        site = Site(sock, ProxiedServer(sock, Greeter, None, trusts))
        try:
            async with asyncio.timeout(20):
                await scenario(site)
        finally:
            site.server.close()
            for writer in site.writers:
                writer.transport.abort()
            await asyncio.sleep(0)

    asyncio.run(main())


def test_the_protocol_learns_who_the_client_is():
    async def scenario(site):
        reader, writer = await site.connect(v2(CLIENT, SERVER) + b"at once, ")
        assert await reader.readline() == b"203.0.113.9:4711\n"
        writer.write(b"later")
        assert await reader.readexactly(14) == b"at once, later"

    run(scenario)


def test_the_balancers_own_connections_have_its_own_address():
    async def scenario(site):
        reader, writer = await site.connect(v2(command=LOCAL))
        host, port = writer.get_extra_info("sockname")
        assert await reader.readline() == f"{host}:{port}\n".encode()

    run(scenario)


@pytest.mark.parametrize("pieces", [[b""], [b"PROXY "], [b"PROXY ", b"TCP4 "]])
def test_a_header_has_to_come_in_time(monkeypatch, pieces):
    monkeypatch.setattr(proxied, "HEADER_LIMIT_S", 0.2)

    async def scenario(site):
        reader, writer = await site.connect(b"")
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.01)
        assert await reader.read() == b""

    run(scenario)


def test_waiting_for_the_rest_of_a_header_costs_nothing(monkeypatch):
    """What was looked at is taken from the socket: otherwise it would be readable all the time."""
    monkeypatch.setattr(proxied, "HEADER_LIMIT_S", 0.5)

    async def scenario(site):
        reader, _ = await site.connect(v1(CLIENT, SERVER)[:20])
        before = time.process_time()
        assert await reader.read() == b""
        assert time.process_time() - before < 0.2

    run(scenario)


def test_one_that_hesitates_keeps_nobody_waiting():
    async def scenario(site):
        await site.connect(b"PROXY ")
        reader, _ = await site.connect(v1(CLIENT, SERVER))
        assert await reader.readline() == b"203.0.113.9:4711\n"

    run(scenario)


def test_only_so_many_may_be_without_a_header(monkeypatch):
    monkeypatch.setattr(proxied, "MOST_WAITING", 2)

    async def scenario(site):
        for _ in range(2):
            await site.connect(b"PROXY ")
        reader, _ = await site.connect(v1(CLIENT, SERVER))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await reader.readexactly(1)

    run(scenario)


def test_trust_is_asked_for_each_connection():
    asked = []

    def trusts(host):
        asked.append(host)
        return len(asked) > 1

    async def scenario(site):
        refused, _ = await site.connect(v1(CLIENT, SERVER))
        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await refused.readexactly(1)
        reader, _ = await site.connect(v1(CLIENT, SERVER))
        assert await reader.readline() == b"203.0.113.9:4711\n"

    run(scenario, trusts=trusts)
    assert asked == ["127.0.0.1", "127.0.0.1"]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOBUFS, errno.ECONNABORTED])
def test_an_accept_that_fails_is_not_the_last(monkeypatch, number):
    monkeypatch.setattr(accepting, "PAUSE_S", 0.01)
    accept = socket.socket.accept
    failures = [OSError(number, "full")] * 2

    def failing(self):
        if failures:
            raise failures.pop()
        return accept(self)

    monkeypatch.setattr(socket.socket, "accept", failing)

    async def scenario(site):
        reader, _ = await site.connect(v1(CLIENT, SERVER))
        assert await reader.readline() == b"203.0.113.9:4711\n"
        assert not failures

    run(scenario)


def test_after_the_close_those_who_are_served_go_on_and_the_others_end():
    async def scenario(site):
        served, writer = await site.connect(v1(CLIENT, SERVER))
        await served.readline()
        waiting, _ = await site.connect(b"PROXY ")
        await asyncio.sleep(0.05)

        site.server.close()

        with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
            await waiting.readexactly(1)
        with pytest.raises(ConnectionError):
            socket.create_connection(("127.0.0.1", site.port), timeout=5)
        writer.write(b"still here")
        assert await served.readexactly(10) == b"still here"

    run(scenario)
