"""What a setting or ENABLE changes about a connection, where a transcript cannot show it."""

import pytest

from tests.fixtures_servers import wait_until
from tests.integration.imap_server import (  # noqa: F401
    PASSWORD,
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

UTF8_MESSAGE = "From: Jörg <jörg@müller.example>\r\nSubject: Grüße 日本\r\n\r\nüber\r\n".encode()


@pytest.fixture
def literal_minus(imap: ImapServer):
    imap.execute("UPDATE server_settings SET literal_minus = true")
    wait_until(lambda: b" LITERAL- " in imap.connect().greeting, what="LITERAL- is offered")
    yield
    imap.execute("UPDATE server_settings SET literal_minus = false")
    wait_until(lambda: b" LITERAL+ " in imap.connect().greeting, what="LITERAL+ is offered")


def test_with_literal_minus_a_large_literal_must_be_asked_for(imap: ImapServer, literal_minus: None) -> None:
    """RFC 7888 section 5. What is refused is read past, and the next command is understood."""
    client = imap.login(imap.account())

    assert client.append(b"INBOX", b"x" * 4096).status == "OK"
    refused = client.append(b"INBOX", b"x" * 4097)
    assert (refused.status, client.command(b"NOOP").status) == ("BAD", "OK")

    client.send(b"t APPEND INBOX {4097}\r\n")
    assert client.read_plain_line().startswith(b"+ ")
    client.send(b"x" * 4097 + b"\r\n")
    assert client.read_answer(b"t").status == "OK"
    assert b"MESSAGES 2)" in client.ok(b"STATUS INBOX (MESSAGES)").text


def test_who_has_logged_in_under_one_kind_of_literal_keeps_it(imap: ImapServer, literal_minus: None) -> None:
    early = imap.login(imap.account())
    imap.execute("UPDATE server_settings SET literal_minus = false")
    wait_until(lambda: b" LITERAL+ " in imap.connect().greeting, what="LITERAL+ is offered")

    assert b" LITERAL- " in early.ok(b"CAPABILITY").text
    assert early.append(b"INBOX", b"x" * 4097).status == "BAD"


@pytest.mark.parametrize("mode", [b"UTF8=ACCEPT", b"IMAP4rev2"])
def test_a_message_with_utf8_headers_comes_and_goes_as_it_is(imap: ImapServer, mode: bytes) -> None:
    """RFC 6855 sections 3 and 4: the form of APPEND, and ENVELOPE without encoded words."""
    client = imap.login(imap.account())
    client.ok(b"ENABLE " + mode)
    name = '"Grüße"'.encode()
    client.ok(b"CREATE " + name)

    client.ok(b"APPEND %b UTF8 (~{%d+}\r\n%b)" % (name, len(UTF8_MESSAGE), UTF8_MESSAGE))
    client.ok(b"SELECT " + name)
    answer = client.ok(b"FETCH 1 (ENVELOPE BODY.PEEK[])").text

    assert UTF8_MESSAGE in answer
    for field in ("Grüße 日本", "Jörg", "jörg", "müller.example"):
        assert field.encode() in answer.split(b"BODY[]")[0]
    assert b" 1" in client.ok('SEARCH SUBJECT "grüße"'.encode()).text


def test_a_connection_may_become_another_account(imap: ImapServer) -> None:
    """RFC 8437: the first one does not count any more, and nothing of it is seen by the second."""
    first, second = imap.account(), imap.account()
    client = imap.login(first)
    client.ok(b'ID ("name" "tester")')
    client.ok(b"CREATE Private")
    client.ok(b"SELECT Private")

    assert b"[CAPABILITY IMAP4rev1" in client.ok(b"UNAUTHENTICATE").tagged
    client.ok(f'LOGIN {second} "{PASSWORD}"'.encode())

    assert b"Private" not in client.ok(b'LIST "" *').text
    assert client.command(b"SELECT Private").status == "NO"


def test_who_has_logged_out_does_not_count_among_the_connections_of_the_account(imap: ImapServer) -> None:
    imap.execute("UPDATE server_settings SET account_connection_limit = 1")
    try:
        address = imap.account()
        wait_until(lambda: _second_login_fails(imap), what="the limit holds")
        client = imap.login(address)
        client.ok(b"UNAUTHENTICATE")
        other = imap.connect()
        assert other.command(f'LOGIN {address} "{PASSWORD}"'.encode()).status == "OK"
        assert client.command(f'LOGIN {address} "{PASSWORD}"'.encode()).status == "NO"
    finally:
        imap.execute("UPDATE server_settings SET account_connection_limit = 0")


def _second_login_fails(imap: ImapServer) -> bool:
    address = imap.account()
    imap.login(address)
    return imap.connect().command(f'LOGIN {address} "{PASSWORD}"'.encode()).status == "NO"
