"""What a client may ask about messages beside the usual: EMAILID, SAVEDATE, PREVIEW; and MAILBOXID of mailboxes."""

import re

import pytest

from tests.integration.imap_server import (  # noqa: F401
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

STORES = pytest.mark.parametrize("store", ["maildir", "mbox"])
MESSAGE = (
    b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n> quoted\r\nGr\xc3\xbc\xc3\x9fe  aus\r\nWien\r\n"
)
OLD = b'"01-Feb-2001 10:00:00 +0000"'


def fetched(client: RawClient, text: bytes) -> list[bytes]:
    return client.ok(b"FETCH " + text).untagged


def found(pattern: bytes, text: bytes) -> bytes:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


@STORES
def test_an_email_id_follows_the_message(imap: ImapServer, store: str) -> None:
    """RFC 8474 section 5: the same for a copy, also of a copy; another for another message."""
    client = imap.login(imap.account(store))
    for _ in range(2):
        client.append(b"INBOX", MESSAGE)
    client.ok(b"CREATE There")
    client.ok(b"SELECT INBOX")
    first, second = (
        found(rb"EMAILID \((\w+)\) THREADID NIL\)", line) for line in fetched(client, b"1:2 (EMAILID THREADID)")
    )

    client.ok(b"COPY 1 There")
    client.ok(b"MOVE 2 There")
    client.ok(b"SELECT There")

    assert first != second
    assert [found(rb"EMAILID \((\w+)\)", line) for line in fetched(client, b"1:2 EMAILID")] == [first, second]
    client.ok(b"COPY 1 INBOX")
    assert client.ok(b"SEARCH EMAILID " + first).untagged == [b"* SEARCH 1\r\n"]
    assert client.ok(b"SEARCH OR EMAILID Mfffff EMAILID other").untagged == [b"* SEARCH\r\n"]
    assert client.ok(b"SEARCH THREADID " + first).untagged == [b"* SEARCH\r\n"]
    client.ok(b"SELECT INBOX")
    assert client.ok(b"UID SEARCH EMAILID " + first).untagged == [b"* SEARCH 1 3\r\n"]


def test_a_mailbox_id_survives_a_rename(imap: ImapServer) -> None:
    """RFC 8474 section 4."""
    client = imap.login(imap.account())
    created = found(rb"OK \[MAILBOXID \((F\w+)\)\]", client.ok(b"CREATE Here").tagged)

    client.ok(b"RENAME Here There")

    assert client.ok(b"STATUS There (MAILBOXID)").untagged == [b"* STATUS There (MAILBOXID (%b))\r\n" % created]
    assert b"* OK [MAILBOXID (%b)]" % created in b"".join(client.ok(b"EXAMINE There").untagged)
    assert created != found(rb"MAILBOXID \((F\w+)\)", b"".join(client.ok(b"STATUS INBOX (MAILBOXID)").untagged))


@STORES
def test_when_a_message_was_saved(imap: ImapServer, store: str) -> None:
    """RFC 8514: INTERNALDATE follows a COPY, SAVEDATE does not."""
    client = imap.login(imap.account(store))
    client.append(b"INBOX", MESSAGE, OLD)
    client.append(b"INBOX", MESSAGE)
    client.ok(b"APPEND INBOX %b {1+}\r\nx %b {1+}\r\ny" % (OLD, OLD))
    client.ok(b"SELECT INBOX")

    rows = fetched(client, b"1:4 (INTERNALDATE SAVEDATE)")

    assert [b"2001" in found(rb"INTERNALDATE (\"[^\"]*\")", row) for row in rows] == [True, False, True, True]
    assert not any(b"2001" in found(rb"SAVEDATE (\"[^\"]*\")", row) for row in rows)
    assert client.ok(b"SEARCH SAVEDSINCE 1-Feb-2020").untagged == [b"* SEARCH 1 2 3 4\r\n"]
    assert client.ok(b"SEARCH SAVEDBEFORE 1-Feb-2020").untagged == [b"* SEARCH\r\n"]
    assert client.ok(b"SEARCH NOT SAVEDON 1-Feb-2001 SAVEDATESUPPORTED 1").untagged == [b"* SEARCH 1\r\n"]


@STORES
def test_a_preview(imap: ImapServer, store: str) -> None:
    """RFC 8970: LAZY takes what is there, and only that."""
    client = imap.login(imap.account(store))
    client.append(b"INBOX", MESSAGE)
    client.append(b"INBOX", b"Content-Type: application/pdf\r\n\r\nx\r\n")
    client.append(b"INBOX", b"Subject: large\r\n\r\n" + b"some words\r\n" * 100_000)
    client.ok(b"SELECT INBOX")
    text = "Grüße aus Wien".encode()

    assert fetched(client, b"1 PREVIEW (LAZY)") == [b"* 1 FETCH (PREVIEW NIL)\r\n"]
    assert fetched(client, b"1:2 (UID PREVIEW)") == [
        b"* 1 FETCH (UID 1 PREVIEW {%d}\r\n%b)\r\n" % (len(text), text),
        b'* 2 FETCH (UID 2 PREVIEW "")\r\n',
    ]
    assert fetched(client, b"1 (PREVIEW (LAZY) BODY.PEEK[]<0.3>)") == [
        b"* 1 FETCH (PREVIEW {%d}\r\n%b BODY[]<0> {3}\r\nSub)\r\n" % (len(text), text)
    ]
    (line,) = fetched(client, b"3 PREVIEW")
    assert line.startswith(b'* 3 FETCH (PREVIEW "some words some words ')
    assert len(line) < 260
