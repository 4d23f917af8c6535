"""CATENATE (RFC 4469) on real sockets."""

import re

import pytest

from tests.integration.imap_server import (  # noqa: F401
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

STORES = pytest.mark.parametrize("store", ["maildir", "mbox"])
# RFC 4469 section 5.
ORIGINAL = (
    b"Return-Path: <bar@example.org>\r\nFrom: Bob Ar <bar@example.org>\r\nTo: foo@example.net\r\n"
    b"Subject: About our holiday trip\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: multipart/mixed; boundary=----------GHU53dsf\r\n\r\n"
    b"------------GHU53dsf\r\nContent-Type: text/plain\r\n\r\n"
    b"Our travel agent has sent the updated schedule.\r\n"
    b"------------GHU53dsf\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    b"AAECAwQ=\r\n------------GHU53dsf--\r\n"
)


def text(part: bytes) -> bytes:
    return b"TEXT {%d+}\r\n%b" % (len(part), part)


def start(imap: ImapServer, store: str = "maildir") -> RawClient:
    client = imap.login(imap.account(store))
    client.append(b"INBOX", ORIGINAL)
    client.ok(b"SELECT INBOX")
    return client


def body_of(client: RawClient, number: int) -> bytes:
    (line,) = client.ok(b"FETCH %d BODY.PEEK[]" % number).untagged
    return line[line.index(b"}\r\n") + 3 : -3]


@STORES
def test_a_reply_takes_the_attachment_along(imap: ImapServer, store: str) -> None:
    client = start(imap, store)
    (line,) = client.ok(b"STATUS INBOX (UIDVALIDITY)").untagged
    uidvalidity = re.search(rb"UIDVALIDITY (\d+)", line)[1]  # type: ignore[index]
    header, new = (
        b"Subject: Re: trip\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\nSee.\r\n--x\r\n",
        b"\r\n--x--\r\n",
    )

    answer = client.ok(
        b"APPEND INBOX (\\Seen \\Draft $MDNSent) CATENATE ("
        + text(header)
        + b' URL "/INBOX;UIDVALIDITY=%b/;UID=1/;SECTION=2.MIME" URL "/INBOX;UIDVALIDITY=%b/;UID=1/;SECTION=2" '
        % (uidvalidity, uidvalidity)
        + text(new)
        + b")"
    )

    assert re.search(rb"\[APPENDUID \d+ 2\]", answer.tagged)
    attached = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAECAwQ="
    assert body_of(client, 2) == header + attached + new


@STORES
@pytest.mark.parametrize(
    ("urls", "content"),
    [
        (b"URL /INBOX/;UID=1", ORIGINAL),
        (b"URL ;UID=1/;SECTION=1", b"Our travel agent has sent the updated schedule."),
        (b"URL ;UID=1/;SECTION=1/;PARTIAL=4.6 URL {29+}\r\n;UID=1/;SECTION=1/;PARTIAL=40", b"travelhedule."),
        (b'URL ";UID=1/;SECTION=HEADER.FIELDS%20(To)"', b"To: foo@example.net\r\n\r\n"),
        (b"UTF8 (~{3+}\r\nabc)", b"abc"),
    ],
)
def test_what_an_url_names(imap: ImapServer, store: str, urls: bytes, content: bytes) -> None:
    client = start(imap, store)

    client.ok(b"APPEND INBOX CATENATE (" + urls + b")")

    assert body_of(client, 2).rstrip(b"\r\n") == content.rstrip(b"\r\n")


@pytest.mark.parametrize(
    "url",
    [
        b"/INBOX/;UID=99",
        b"/Nowhere/;UID=1",
        b"/INBOX;UIDVALIDITY=1/;UID=1",
        b"/INBOX/;UID=1/;SECTION=9",
        b"imap://example.org/INBOX/;UID=1",
    ],
)
@pytest.mark.parametrize("after", [b"", b" " + text(b"tail"), b" TEXT {4}\r\n"])
def test_one_bad_url_and_nothing_is_appended(imap: ImapServer, url: bytes, after: bytes) -> None:
    client = start(imap)

    client.send(
        b"a1 APPEND INBOX {2+}\r\nhi CATENATE (%b URL %b%b%b"
        % (text(b"x"), url, after, b")\r\n" if b"+" in after or not after else b"")
    )
    answer = client.read_answer(b"a1")

    assert answer.tagged.startswith(b"a1 NO [BADURL %b] " % url)
    assert client.ok(b"STATUS INBOX (MESSAGES)").untagged == [b"* STATUS INBOX (MESSAGES 1)\r\n"]


def test_a_relative_url_needs_a_mailbox(imap: ImapServer) -> None:
    client = start(imap)
    client.ok(b"UNSELECT")

    assert b"NO [BADURL ;UID=1] " in client.command(b"APPEND INBOX CATENATE (URL ;UID=1)").tagged


def test_several_messages_of_parts(imap: ImapServer) -> None:
    client = start(imap)

    client.ok(
        b"APPEND INBOX CATENATE (URL ;UID=1 %b) (\\Seen) {2+}\r\nhi CATENATE (%b)" % (text(b"more"), text(b"last"))
    )

    assert [body_of(client, number) for number in (2, 3, 4)] == [ORIGINAL + b"more", b"hi", b"last"]


def test_a_draft_is_replaced_by_itself_and_more(imap: ImapServer) -> None:
    """RFC 8508 section 5: with CATENATE what is kept need not be sent again."""
    client = start(imap)

    client.ok(b"REPLACE 1 INBOX CATENATE (URL ;UID=1/;SECTION=HEADER %b)" % text(b"all new\r\n"))

    assert body_of(client, 1) == ORIGINAL[: ORIGINAL.index(b"\r\n\r\n") + 4] + b"all new\r\n"


def test_no_more_than_the_server_takes(imap: ImapServer) -> None:
    client = start(imap)
    client.append(b"INBOX", b"Subject: large\r\n\r\n" + b"0123456789abcdef\r\n" * 600_000)

    answer = client.command(b"APPEND INBOX CATENATE (" + b" ".join([b"URL ;UID=2"] * 5) + b")")
    with_text = client.command(b"APPEND INBOX CATENATE (" + b" ".join([b"URL ;UID=2"] * 4) + b" TEXT {12000000}")

    assert b"NO [TOOBIG]" in answer.tagged
    assert b"NO [TOOBIG]" in with_text.tagged
