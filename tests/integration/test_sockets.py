"""Listening sockets as the programs open them."""

import asyncio
import contextlib
import socket
import ssl

import pytest

from mailcore.sockets import listen, name_of, open_socket, parse_addresses
from mailcore.tls_server import TlsServer
from tests.fakes.certificates import TestAuthority


@contextlib.contextmanager
def opened(host, port=0):
    sock = open_socket(host, port)
    try:
        yield sock
    finally:
        sock.close()


def port_of(sock):
    return sock.getsockname()[1]


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("127.0.0.1", ("127.0.0.1",)),
        (" 127.0.0.1 , ::1 ", ("127.0.0.1", "::1")),
        ("[::1],*", ("::1", "*")),
        ("", ()),
        (" , ", ()),
    ],
)
def test_addresses_as_they_are_written(text, addresses):
    assert parse_addresses(text) == addresses


def test_several_processes_share_a_port():
    with opened("127.0.0.1") as first, opened("127.0.0.1", port_of(first)) as second:
        assert port_of(second) == port_of(first)


def test_an_address_that_is_not_ours_is_an_error():
    with pytest.raises(OSError, match="assign"):
        open_socket("192.0.2.1", 0)


def test_a_port_that_another_program_holds_is_an_error():
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(OSError, match="in use"):
        open_socket("127.0.0.1", port_of(other))


def test_asyncio_turns_nagle_off():
    """It does so for sockets whose protocol is said to be TCP."""
    with opened("127.0.0.1") as sock:
        assert sock.proto == socket.IPPROTO_TCP


@pytest.mark.parametrize(
    ("host", "reached", "not_reached"),
    [("*", ["127.0.0.1", "::1"], []), ("::", ["::1"], ["127.0.0.1"]), ("0.0.0.0", ["127.0.0.1"], ["::1"])],
)
def test_which_families_an_address_stands_for(host, reached, not_reached):
    with opened(host) as sock:
        for address in reached:
            socket.create_connection((address, port_of(sock)), timeout=5).close()
        for address in not_reached:
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address, port_of(sock)), timeout=5)


def test_the_name_of_a_socket():
    with opened("127.0.0.1") as four, opened("::1") as six, opened("*") as every:
        assert name_of(four) == f"127.0.0.1:{port_of(four)}"
        assert name_of(six) == f"[::1]:{port_of(six)}"
        assert name_of(every) == f"[::]:{port_of(every)}"


class Greeter(asyncio.Protocol):
    def connection_made(self, transport):
        transport.write(b"hello")
        transport.close()


class Everybody:
    def admit(self, host):
        return host == "127.0.0.1"

    def release(self, host):
        pass


async def greeting(context=None, client_context=None):
    sock = open_socket("127.0.0.1", 0)
    server = TlsServer(sock, Greeter, context, Everybody()) if context else await listen(sock, Greeter)
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(sock), ssl=client_context)
        answer = await reader.read()
        writer.close()
        return answer
    finally:
        server.close()


def test_connections_are_accepted_in_the_clear_and_with_tls(tmp_path):
    authority = TestAuthority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))

    assert asyncio.run(greeting()) == b"hello"
    assert asyncio.run(greeting(authority.server_context("127.0.0.1"), trusting)) == b"hello"
