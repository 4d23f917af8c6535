"""Probing ports: each in its own way, all at once, never for long."""

import asyncio
import contextlib
import socket
import threading
import time

import pytest

from mailadmin.status.ports import Port, troubles

GREETINGS = {"mx": b"220 mail.test ESMTP\r\n", "imap": b"* OK [CAPABILITY IMAP4rev1] ready\r\n", "pop3": b"+OK hi\r\n"}


@contextlib.contextmanager
def server(*pieces, closes=False, host="127.0.0.1"):
    """Accepts connections and says that much to each; yields its port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, 0), family=family)
    accepted = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                accepted.append(connection)
                for piece in pieces:
                    connection.sendall(piece)
                    time.sleep(0.01)
                if closes:
                    connection.close()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        for connection in accepted:
            connection.close()


def probe(ports, within_s):
    return asyncio.run(troubles(ports, within_s))


def trouble_of(protocol, number, within_s=0.5, host="127.0.0.1"):
    port = Port(protocol, host, number)
    return probe([port], within_s)[port]


@pytest.mark.parametrize("protocol", GREETINGS)
def test_a_plain_port_that_greets_answers(protocol):
    greeting = GREETINGS[protocol]
    with server(greeting) as whole, server(greeting[:2], greeting[2:]) as in_pieces:
        assert trouble_of(protocol, whole) == ""
        assert trouble_of(protocol, in_pieces) == ""


def test_a_port_with_tls_answers_when_it_accepts():
    with server() as port:
        assert trouble_of("imaps", port) == ""


@pytest.mark.parametrize("listening", ["0.0.0.0", "127.0.0.3", "::", "::1"])
def test_every_address_is_reached(listening):
    with server(b"220 hi\r\n", host=listening) as number:
        assert trouble_of("mx", number, host=listening) == ""
    assert trouble_of("mx", number, host=listening) == "connection refused"


def test_a_probe_comes_from_the_loopback_address():
    with socket.create_server(("127.0.0.3", 0)) as listener:
        assert trouble_of("imaps", listener.getsockname()[1], host="127.0.0.3") == ""

        connection, peer = listener.accept()
        connection.close()
        assert peer[0] == "127.0.0.1"


def test_who_listens_on_every_address_of_both_families_is_reached_without_ipv6():
    with server(b"220 hi\r\n", host="127.0.0.1") as number:
        assert trouble_of("mx", number, host="::") == ""


def test_nobody_listens(free_port):
    assert trouble_of("mx", free_port()) == "connection refused"


def test_a_port_that_accepts_and_says_nothing():
    with server() as port:
        assert trouble_of("mx", port) == "no greeting"


def test_a_port_that_hangs_up():
    with server(closes=True) as port:
        assert trouble_of("imap", port) == "closes the connection"


def test_a_port_that_says_something_else():
    with server(b"421 4.3.2 Service shutting down\r\n") as port:
        assert trouble_of("mx", port) == "says 421 4.3.2 Service shutting down"


def test_a_talkative_stranger_is_not_listened_to_for_long():
    with server(b"x" * 100_000) as port:
        assert len(trouble_of("mx", port)) < 100


def test_all_ports_share_the_time():
    begun = time.monotonic()
    with contextlib.ExitStack() as stack:
        silent = [Port("mx", "127.0.0.1", stack.enter_context(server())) for _ in range(10)]
        good = Port("pop3", "127.0.0.1", stack.enter_context(server(b"+OK\r\n")))

        found = probe([*silent, good], 0.5)

    assert time.monotonic() - begun < 1.0
    assert found == {**dict.fromkeys(silent, "no greeting"), good: ""}


def test_no_ports_no_question():
    assert probe([], 0.5) == {}
