"""Messages that clients send, on real sockets: MULTIAPPEND, literal8, UTF8, what is refused in between."""

import base64
import re

import pytest

from mailcore.store.layout import mbox_file
from tests.integration.imap_server import (  # noqa: F401
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

STORES = pytest.mark.parametrize("store", ["maildir", "mbox"])
# RFC 3502 section 6.3.11.
MEETING = (
    b"Date: Mon, 7 Feb 1994 21:52:25 -0800 (PST)\r\nFrom: Fred Foobar <foobar@Blurdybloop.example.COM>\r\n"
    b"Subject: afternoon meeting\r\nTo: mooch@owatagu.example.net\r\n"
    b"Message-Id: <B27397-0100000@Blurdybloop.example.COM>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n"
    b"Hello Joe, do you think we can meet at 3:30 tomorrow?\r\n"
)
ANSWER = MEETING.replace(b"Subject: ", b"Subject: Re: ").replace(b"Hello Joe", b"Hello Fred")


def literal(message: bytes, mark: bytes = b"") -> bytes:
    return b"%b{%d+}\r\n%b" % (mark, len(message), message)


def body_of(client: RawClient, number: int, section: bytes = b"BODY.PEEK[]") -> bytes:
    (line,) = client.ok(b"FETCH %d %b" % (number, section)).untagged
    return line[line.index(b"}\r\n") + 3 : -3]


@STORES
def test_several_messages_in_one_append(imap: ImapServer, store: str) -> None:
    client = imap.login(imap.account(store))
    client.append(b"INBOX", b"before\r\n")

    answer = client.ok(
        b"APPEND INBOX (\\Seen)"
        + literal(MEETING).join([b" ", b""])
        + b' (\\Seen $Two) " 7-Feb-1994 22:43:04 -0800" '
        + literal(ANSWER)
        + b" "
        + literal(b"\r\n")
    )

    assert re.search(rb"\[APPENDUID \d+ 2:4\]", answer.tagged)
    client.ok(b"SELECT INBOX")
    assert body_of(client, 2) == MEETING
    assert body_of(client, 3) == ANSWER
    (row,) = client.ok(b"FETCH 3 (FLAGS INTERNALDATE)").untagged
    assert b"\\Seen" in row and b"$Two" in row and b'"08-Feb-1994 06:43:04 +0000"'.replace(b'"0', b'" ') in row


@STORES
def test_a_bad_second_message_keeps_out_the_first(imap: ImapServer, store: str) -> None:
    client = imap.login(imap.account(store))

    bad = client.command(b"APPEND INBOX " + literal(MEETING) + b" (\\Nonsense) " + literal(ANSWER))
    client.ok(b"SELECT INBOX")

    assert bad.status == "BAD"
    assert client.ok(b"STATUS INBOX (MESSAGES UIDNEXT)").untagged == [b"* STATUS INBOX (MESSAGES 0 UIDNEXT 1)\r\n"]


def test_an_empty_message_cancels_the_append(imap: ImapServer) -> None:
    """RFC 3502 section 6.3.11. A client that does not wait for the `+` has sent the rest already."""
    client = imap.login(imap.account("maildir"))

    alone = client.command(b"APPEND INBOX " + literal(b""))
    last = client.command(b"APPEND INBOX " + literal(MEETING) + b" " + literal(b""))
    between = client.command(b"APPEND INBOX " + literal(b"") + b" " + literal(MEETING))
    waiting = client.command(b"APPEND INBOX " + literal(MEETING) + b" {0}")

    assert [each.status for each in (alone, last, between, waiting)] == ["NO"] * 4
    assert client.ok(b"STATUS INBOX (MESSAGES UIDNEXT)").untagged == [b"* STATUS INBOX (MESSAGES 0 UIDNEXT 1)\r\n"]


@STORES
def test_the_quota_is_for_the_sum(imap: ImapServer, store: str) -> None:
    client = imap.login(imap.account(store, quota_bytes=1000))

    both = client.command(b"APPEND INBOX " + literal(b"x" * 600) + b" " + literal(b"y" * 600))
    one = client.command(b"APPEND INBOX " + literal(b"x" * 600))

    assert b"NO [OVERQUOTA]" in both.tagged
    assert one.status == "OK"


def test_a_synchronising_message_over_quota_is_refused_before_it_is_sent(imap: ImapServer) -> None:
    client = imap.login(imap.account(quota_bytes=1000))
    client.send(b"a1 APPEND INBOX {600}\r\n")
    assert client.read_line().startswith(b"+ ")
    client.send(b"x" * 600 + b" {600}\r\n")

    assert client.read_line().startswith(b"a1 NO [OVERQUOTA]")
    assert client.ok(b"STATUS INBOX (MESSAGES)").untagged == [b"* STATUS INBOX (MESSAGES 0)\r\n"]


def test_large_messages_among_small_ones(imap: ImapServer) -> None:
    client = imap.login(imap.account())
    large = b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 90_000

    client.ok(b"APPEND INBOX " + literal(b"small\r\n") + b" " + literal(large) + b" " + literal(b"last\r\n"))
    client.ok(b"SELECT INBOX")

    assert [body_of(client, number) for number in (1, 2, 3)] == [b"small\r\n", large, b"last\r\n"]


BINARY = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n\r\ntext\r\n--b\r\n"
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    b"%b\r\n--b--\r\n"
)


@STORES
@pytest.mark.parametrize("size", [8, 1_500_000])
def test_binary_octets_survive(imap: ImapServer, store: str, size: int) -> None:
    """RFC 3516 section 4.4: NUL, bare CR and bare LF; the part is kept in base64."""
    client, octets = imap.login(imap.account(store)), b"\0\r\n\r\n\n\xff"[:7] * (size // 7) + b"\0"

    client.ok(b"APPEND INBOX " + literal(BINARY % octets, b"~"))
    client.ok(b"SELECT INBOX")

    assert b"Content-Transfer-Encoding: base64\r\n" in body_of(client, 1, b"BODY.PEEK[2.MIME]")
    assert body_of(client, 1, b"BODY.PEEK[1]") == b"text"
    assert base64.b64decode(body_of(client, 1, b"BODY.PEEK[2]")) == octets
    assert client.ok(b"FETCH 1 BINARY.SIZE[2]").untagged == [b"* 1 FETCH (BINARY.SIZE[2] %d)\r\n" % len(octets)]
    client.send(b"b1 FETCH 1 BINARY.PEEK[2]\r\n")
    assert client.read_plain_line() == b"* 1 FETCH (BINARY[2] ~{%d}" % len(octets)
    assert client.read_octets(len(octets)) == octets
    assert client.read_answer(b"b1").status == "OK"


def test_what_nobody_can_decode(imap: ImapServer) -> None:
    """RFC 3516 section 4.3; what else was asked for is told all the same."""
    client = imap.login(imap.account())
    client.append(b"INBOX", b"MIME-Version: 1.0\r\nContent-Transfer-Encoding: x-odd\r\n\r\ntext\r\n")
    client.append(b"INBOX", b"Subject: " + b"x" * 2_000_000 + b"\r\nContent-Transfer-Encoding: x-odd\r\n\r\ntext\r\n")
    client.ok(b"SELECT INBOX")

    one = client.command(b"FETCH 1 BINARY.PEEK[1]")
    both = client.command(b"FETCH 1:2 (FLAGS BINARY.SIZE[1])")

    assert one.untagged == [b"* 1 FETCH (UID 1)\r\n"]
    assert both.untagged == [b"* %d FETCH (FLAGS (\\Recent))\r\n" % number for number in (1, 2)]
    assert one.tagged.split(b" ", 2)[2] == both.tagged.split(b" ", 2)[2]
    assert b"[UNKNOWN-CTE]" in one.tagged


def test_a_message_in_utf8(imap: ImapServer) -> None:
    """RFC 6855 section 4."""
    client, message = imap.login(imap.account()), "Subject: Grüße\r\n\r\nä\r\n".encode()

    client.ok(b"APPEND INBOX (\\Seen) UTF8 (" + literal(message, b"~") + b")")
    client.ok(b"SELECT INBOX")

    assert body_of(client, 1) == message


def test_the_largest_message_is_told(imap: ImapServer) -> None:
    """RFC 7889."""
    client = imap.login(imap.account())
    limit = largest(client)

    assert client.ok(b"STATUS INBOX (APPENDLIMIT)").untagged == [b"* STATUS INBOX (APPENDLIMIT %d)\r\n" % limit]
    client.send(b"a1 APPEND INBOX {%d}\r\n" % (limit + 1))
    assert client.read_line().startswith(b"a1 NO [TOOBIG]")


def largest(client: RawClient) -> int:
    (offered,) = client.ok(b"CAPABILITY").untagged
    return int(re.search(rb" APPENDLIMIT=(\d+)", offered).group(1))  # type: ignore[union-attr]


@pytest.mark.parametrize("begin", [b"", b"CATENATE (TEXT ", b"UTF8 (~", literal(MEETING) + b" "])
def test_a_message_that_is_too_big_is_refused_though_the_client_does_not_wait(imap: ImapServer, begin: bytes) -> None:
    """RFC 7888 section 4: before its octets come, and what is not far larger is read past."""
    client = imap.login(imap.account())
    size = largest(client) + 1
    client.send(b"a1 APPEND INBOX " + begin + b"{%d+}\r\n" % size)

    assert client.read_line().startswith(b"a1 NO [TOOBIG]")
    if not begin:
        client.send(b"n NOOP\r\n" * (size // 8) + b"x" * (size % 8) + b"\r\n")
        assert client.ok(b"NOOP").untagged == []


@pytest.mark.parametrize("mailbox", [b"INBOX", b"Nowhere"])
def test_what_is_far_too_big_ends_the_session(imap: ImapServer, mailbox: bytes) -> None:
    client = imap.login(imap.account())
    client.send(b"a1 APPEND " + mailbox + b" {1099511627776+}\r\n")

    assert client.read_line().startswith(b"a1 NO [TOOBIG]")
    assert client.read_line() == b"* BYE Literal too long\r\n"
    with pytest.raises(ConnectionError):
        client.read_line()


@STORES
def test_nul_in_a_message_of_another_program_is_no_nul_in_a_literal(imap: ImapServer, store: str) -> None:
    """RFC 3501 section 9, CHAR8; in the place of each octet stands one, so that sizes stay."""
    address = imap.account(store)
    client = imap.login(address)
    client.append(b"INBOX", b"Subject: x\r\n\r\nbefore\r\n")
    small, large = b"Subject: a\0b\n\nnul: \0\n", b"Subject: large\n\n" + b"nul: \0\n" * 200_000
    if store == "maildir":
        for number, content in enumerate((small, large)):
            (imap.maildir(address) / "new" / f"170000000{number}.other").write_bytes(content)
    else:
        file = imap.maildir(address).parent / "mbox" / mbox_file("INBOX")
        with file.open("ab") as mbox:
            for content in (small, large):
                mbox.write(b"From a@example.net Thu Jan  1 00:00:00 2026\n" + content + b"\n")
    client.ok(b"SELECT INBOX")

    assert body_of(client, 2) == small.replace(b"\n", b"\r\n").replace(b"\0", b"\x80")
    assert body_of(client, 2, b"BODY.PEEK[HEADER]") == b"Subject: a\x80b\r\n\r\n"
    assert body_of(client, 3) == large.replace(b"\n", b"\r\n").replace(b"\0", b"\x80")
