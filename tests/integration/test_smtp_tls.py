"""STARTTLS: nothing said before the handshake is heard after it (CVE-2011-0411), and it happens once."""

import shutil
import signal
import socket
import ssl

import pytest

from tests.fakes.certificates import TestAuthority
from tests.fixtures_servers import wait_until
from tests.integration.smtp_server import RawClient, smtp_server

__all__ = ["smtp_server"]


def upgraded(smtp, client):
    context = smtp.client_context()
    client.socket = context.wrap_socket(client.socket, server_hostname="127.0.0.1")
    return client


def test_a_session_begins_anew_after_starttls(smtp):
    client = smtp.hello(port=smtp.submission_port)
    assert client.code(b"STARTTLS") == b"220"
    upgraded(smtp, client)

    assert client.say(b"MAIL FROM:<a@b.example>") == b"503 5.5.1 Error: send HELO/EHLO first"
    ehlo = client.say(b"EHLO again.test")
    assert b"STARTTLS" not in ehlo
    assert b"AUTH PLAIN LOGIN" in ehlo


def test_commands_sent_with_starttls_are_not_executed_after_it(smtp):
    client = smtp.hello()
    client.send(b"STARTTLS\r\nEHLO injected.test\r\nMAIL FROM:<injected@b.example>\r\n")
    assert client.reply()[:3] == b"220"

    upgraded(smtp, client)

    # Had the injected commands survived, their replies would come first and MAIL would be nested.
    assert client.say(b"NOOP") == b"250 2.0.0 Ok"
    assert client.code(b"EHLO real.test") == b"250"
    assert client.say(b"MAIL FROM:<real@b.example>") == b"250 2.1.0 Ok"


def test_half_a_command_from_before_does_not_begin_one_after(smtp):
    client = smtp.hello()
    client.send(b"STARTTLS\r\nNOOP ")
    assert client.reply()[:3] == b"220"
    upgraded(smtp, client)

    assert client.code(b"EHLO real.test") == b"250"
    assert client.say(b"QUIT") == b"221 2.0.0 Bye"


def test_clear_text_instead_of_a_handshake_ends_the_connection(smtp):
    client = smtp.hello()
    assert client.code(b"STARTTLS") == b"220"

    client.send(b"MAIL FROM:<a@b.example>\r\n" * 10)

    data = b""
    try:
        while more := client.socket.recv(4096):
            data += more
    except ConnectionError:
        pass
    assert b"250" not in data


def test_no_second_starttls(smtp):
    client = smtp.hello()
    client.say(b"STARTTLS")
    upgraded(smtp, client)
    client.say(b"EHLO x.test")

    assert client.say(b"STARTTLS") == b"503 5.5.1 Error: TLS already active"
    assert client.code(b"NOOP") == b"250"


def test_no_starttls_within_implicit_tls(smtp):
    sock = socket.create_connection(("127.0.0.1", smtp.submissions_port), timeout=20)
    client = RawClient(smtp.client_context().wrap_socket(sock, server_hostname="127.0.0.1"))
    smtp.clients.append(client)
    assert client.reply()[:3] == b"220"

    assert b"STARTTLS" not in client.say(b"EHLO x.test")
    assert client.code(b"STARTTLS") == b"503"


def test_no_starttls_within_a_transaction(smtp):
    client = smtp.hello()
    client.say(b"MAIL FROM:<a@b.example>")

    assert client.code(b"STARTTLS") == b"503"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_protocol_versions_are_refused(smtp):
    client = smtp.hello()
    client.say(b"STARTTLS")
    context = smtp.client_context()
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    try:
        context.wrap_socket(client.socket, server_hostname="127.0.0.1")
    except (ssl.SSLError, ConnectionError):
        return
    raise AssertionError("TLS 1.1 was accepted")


def test_a_renewed_certificate_is_used_after_sighup(smtp, tmp_path):
    def serial():
        client = smtp.hello()
        client.say(b"STARTTLS")
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client.socket = context.wrap_socket(client.socket)
        return client.socket.getpeercert(binary_form=True)

    before = serial()
    cert, key = TestAuthority(tmp_path).issue("127.0.0.1")
    shutil.copy(cert, smtp.environment["TLS_CERT"])
    shutil.copy(key, smtp.environment["TLS_KEY"])

    smtp.process.send_signal(signal.SIGHUP)

    wait_until(lambda: serial() != before, seconds=5)
