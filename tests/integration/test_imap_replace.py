"""REPLACE (RFC 8508) on real sockets."""

import re

import pytest

from tests.integration.imap_server import (  # noqa: F401
    ImapServer,
    RawClient,
    imap_process_of_module,
    imap_server,
)

STORES = pytest.mark.parametrize("store", ["maildir", "mbox"])


def mailbox_of(imap: ImapServer, store: str, count: int, **limits: int) -> RawClient:
    client = imap.login(imap.account(store, **limits))
    for number in range(1, count + 1):
        client.append(b"INBOX", b"Subject: %d\r\n\r\ntext\r\n" % number)
    client.ok(b"SELECT INBOX")
    return client


def subjects(client: RawClient) -> list[bytes]:
    lines = client.ok(b"FETCH 1:* BODY.PEEK[HEADER.FIELDS (SUBJECT)]").untagged
    return [re.search(rb"Subject: ([^\r]*)", line)[1] for line in lines]  # type: ignore[index]


@STORES
def test_a_draft_is_replaced(imap: ImapServer, store: str) -> None:
    """Section 3.4: APPENDUID, EXISTS, EXPUNGE, in this order."""
    client = mailbox_of(imap, store, 4)
    client.send(b"A003 REPLACE 2 INBOX (\\Seen \\Draft) {16}\r\n")
    assert client.read_line().startswith(b"+ ")
    client.send(b"Subject: new\r\n\r\n\r\n")

    answer = client.read_answer(b"A003")

    assert re.match(rb"\* OK \[APPENDUID \d+ 5\] ", answer.untagged[0])
    told = [line for line in answer.untagged[1:] if not line.endswith(b"RECENT\r\n")]
    assert told == [b"* 5 EXISTS\r\n", b"* 2 EXPUNGE\r\n"]
    assert answer.status == "OK"
    assert subjects(client) == [b"1", b"3", b"4", b"new"]
    assert b"FLAGS (\\Seen \\Draft" in client.ok(b"FETCH 4 FLAGS").untagged[0]


@STORES
def test_by_uid_and_into_another_mailbox(imap: ImapServer, store: str) -> None:
    client = mailbox_of(imap, store, 3)

    answer = client.ok(b"UID REPLACE 2 Sent {14+}\r\nSubject: x\r\n\r\n")

    assert re.match(rb"\* OK \[APPENDUID \d+ 1\] ", answer.untagged[0])
    assert answer.untagged[1:] == [b"* 2 EXPUNGE\r\n"]
    assert subjects(client) == [b"1", b"3"]
    client.ok(b"SELECT Sent")
    assert subjects(client) == [b"x"]


def test_who_wants_vanished_gets_it(imap: ImapServer) -> None:
    client = mailbox_of(imap, "maildir", 2)
    client.ok(b"ENABLE QRESYNC")

    answer = client.ok(b"REPLACE 1 INBOX {14+}\r\nSubject: x\r\n\r\n")

    assert b"* 3 EXISTS\r\n" in answer.untagged
    assert answer.untagged[-1] == b"* VANISHED 1\r\n"
    assert b"HIGHESTMODSEQ" in answer.tagged


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"REPLACE 9 INBOX", b"BAD"),
        (b"UID REPLACE 9 INBOX", b"NO"),
        (b"REPLACE 1 Nowhere", b"NO [TRYCREATE]"),
        (b"REPLACE 1:2 INBOX", b"BAD"),
        (b"REPLACE 0 INBOX", b"BAD"),
    ],
)
@pytest.mark.parametrize("plus", [b"", b"+"])
def test_what_cannot_be_is_refused_before_the_message(
    imap: ImapServer, command: bytes, answer: bytes, plus: bytes
) -> None:
    client = mailbox_of(imap, "maildir", 2)

    client.send(b"a1 %b {14%b}\r\n" % (command, plus) + (b"Subject: x\r\n\r\n\r\n" if plus else b""))

    assert client.read_answer(b"a1").tagged.startswith(b"a1 " + answer)
    assert subjects(client) == [b"1", b"2"]


def test_one_message_for_one(imap: ImapServer) -> None:
    client = mailbox_of(imap, "maildir", 1)

    assert client.command(b"REPLACE 1 INBOX {1+}\r\nx {1+}\r\ny").status == "BAD"
    assert subjects(client) == [b"1"]


def test_not_in_a_mailbox_that_is_only_looked_at(imap: ImapServer) -> None:
    client = mailbox_of(imap, "maildir", 1)
    client.ok(b"EXAMINE INBOX")

    assert client.command(b"REPLACE 1 INBOX {1+}\r\nx").status == "NO"


@STORES
def test_the_quota_is_for_what_is_more(imap: ImapServer, store: str) -> None:
    client = imap.login(imap.account(store, quota_bytes=1000))
    client.append(b"INBOX", b"x" * 900)
    client.ok(b"SELECT INBOX")

    client.ok(b"REPLACE 1 INBOX {950+}\r\n" + b"y" * 950)
    refused = client.command(b"REPLACE 1 INBOX {1200+}\r\n" + b"z" * 1200)

    assert refused.tagged.split()[1:3] == [b"NO", b"[OVERQUOTA]"]
    (line,) = client.ok(b"FETCH 1:* RFC822.SIZE").untagged
    assert int(re.search(rb"SIZE (\d+)", line)[1]) in (950, 952)  # type: ignore[index]
