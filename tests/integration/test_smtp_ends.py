"""How sessions of SMTP end that would go on, on real sockets."""

import base64
import socket

import psutil
import pytest

from tests.fixtures_servers import wait_until
from tests.integration.smtp_server import PASSWORD, RawClient, smtp_server

__all__ = ["smtp_server"]

TOO_BIG = b"552 5.3.4 Message size exceeds fixed limit"
ENOUGH = b"421 4.3.4 Error: too much sent after it was refused"


def in_a_message(smtp):
    client = smtp.hello()
    client.say(b"MAIL FROM:<a@b.example>")
    assert client.code(b"RCPT TO:<%s>" % smtp.account().encode()) == b"250"
    return client


def test_data_without_an_end_is_cut_off(smtp):
    client = in_a_message(smtp)
    client.say(b"DATA")
    block = (b"x" * 998 + b"\r\n") * 1000

    sent = 0
    try:
        while sent < 300_000_000:
            client.send(block)
            sent += len(block)
    except ConnectionError:
        pass

    assert 2 * 20_000_000 < sent < 300_000_000
    assert list((smtp.home / "spool" / "incoming").iterdir()) == []
    assert smtp.hello().code(b"NOOP") == b"250"


def test_a_chunk_beyond_all_bounds_is_refused_at_once(smtp):
    client = in_a_message(smtp)

    assert client.say(b"BDAT 999999999999999") == TOO_BIG
    assert client.reply() == ENOUGH
    assert client.is_closed()


def test_a_session_over_tls_is_gone_soon_though_the_client_does_not_close(smtp):
    """uvloop waits thirty seconds for the client's close_notify."""
    sock = socket.create_connection(("127.0.0.1", smtp.submissions_port), timeout=20)
    first = RawClient(smtp.client_context().wrap_socket(sock, server_hostname="127.0.0.1"))
    smtp.clients.append(first)
    assert first.reply()[:3] == b"220"
    second = smtp.hello()
    assert second.code(b"STARTTLS") == b"220"
    second.socket = smtp.client_context().wrap_socket(second.socket, server_hostname="127.0.0.1")
    assert is_connected(smtp, first) and is_connected(smtp, second)

    assert first.say(b"QUIT") == b"221 2.0.0 Bye"
    assert second.code(b"POST / HTTP/1.1") == b"521"

    wait_until(lambda: not (is_connected(smtp, first) or is_connected(smtp, second)), seconds=4, what="both are closed")


def is_connected(smtp, client):
    """Does smtpd still have its end of the client's connection?"""
    connections = psutil.Process(smtp.process.pid).net_connections()
    return client.socket.getsockname() in [connection.raddr for connection in connections]


@pytest.mark.parametrize(
    "change",
    [
        "login_networks = '{192.0.2.0/24}'",
        "enabled = false",
        "allow_smtp = false",
        "password = '!'",
        "app_passwords_only = true",
    ],
)
def test_who_may_not_log_in_any_more_hears_so_at_the_next_command(smtp, change):
    address, other = smtp.account(), smtp.account()
    smtp.wait_for_configuration()
    client, neighbour = logged_in(smtp, address), logged_in(smtp, other)

    smtp.execute(f"UPDATE account SET {change} WHERE address = %s", (address,))
    smtp.wait_for_configuration()

    assert client.say(b"NOOP") == b"421 4.7.0 Error: this login is not valid any more"
    assert client.is_closed()
    assert neighbour.say(b"NOOP") == b"250 2.0.0 Ok"


def logged_in(smtp, address):
    client = smtp.connect(port=smtp.submission_port)
    assert client.code(b"STARTTLS") == b"220"
    client.socket = smtp.client_context().wrap_socket(client.socket, server_hostname="127.0.0.1")
    assert client.code(b"EHLO client.test") == b"250"
    response = base64.b64encode(f"\0{address}\0{PASSWORD}".encode())
    assert client.code(b"AUTH PLAIN " + response) == b"235"
    return client
