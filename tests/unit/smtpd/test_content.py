"""DATA and BDAT: what is kept, how it begins, what is refused."""

import errno

import psycopg
import pytest

from mailcore.errors import MailboxInUse, OverQuota, StoreFull, StoreUnavailable
from mailcore.maillog import event as ev
from smtpd.incoming import MEMORY_LIMIT
from tests.unit.smtpd.support import TRUSTED, Dialogue, a_snapshot

MAIL = b"MAIL FROM:<a@sender.example>\r\n"
RCPT = b"RCPT TO:<alice@example.org>\r\n"


def ready(site, **kwargs):
    client = Dialogue(site, **kwargs).hello()
    client.say(MAIL, RCPT)
    return client


def send(client, message):
    assert client.code(b"DATA\r\n") == b"354"
    return client.say(message + b".\r\n")


def test_return_path_and_received_come_first(site):
    send(ready(site), b"Subject: x\r\n\r\nbody\r\n")

    lines = site.mailboxes.contents[0].decode().splitlines()
    assert lines[0] == "Return-Path: <a@sender.example>"
    assert lines[1] == "Received: from client.example (unknown [198.51.100.9])"
    assert lines[2].startswith("\tby mail.example.org (Mailkeep) with ESMTP id ")
    assert lines[3].startswith("\tfor <alice@example.org>; ")
    assert lines[4:] == ["Subject: x", "", "body"]
    arrival = site.mailboxes.arrivals[0]
    assert arrival.content_offset == len(lines[0]) + 1
    assert arrival.size == len("\r\n".join(lines)) + 2


def test_mail_from_strangers_gets_no_fields_of_the_author(site):
    send(ready(site), b"Subject: x\r\n\r\n")

    assert b"Message-ID:" not in site.mailboxes.contents[0]
    assert b"\nDate:" not in site.mailboxes.contents[0]


def test_mail_that_begins_here_gets_what_is_missing(site):
    send(ready(site, peer=TRUSTED), b"Subject: x\r\nBcc: secret@example.org\r\n\r\n")

    content, arrival = site.mailboxes.contents[0].decode(), site.mailboxes.arrivals[0]
    assert "\nDate: " in content
    assert "\nFrom: a@sender.example\n" in content
    assert f"\nMessage-ID: {arrival.message_id}\n" in content
    assert "secret" not in content


def test_fields_that_are_there_stay(site):
    message = (
        b"date: Thu, 1 Jan 1970 00:00:00 +0000\r\nMessage-Id:\r\n <x@y>\r\nFrom: b@c\r\nReturn-Path: <q@q>\r\n\r\n"
    )
    send(ready(site, peer=TRUSTED), message)

    content = site.mailboxes.contents[0]
    assert content.count(b"ate: ") == 1
    assert content.lower().count(b"message-id") == 1
    assert site.mailboxes.arrivals[0].message_id == "<x@y>"
    assert content.count(b"Return-Path:") == 1


def test_text_without_a_header_section_does_not_become_one(site):
    send(ready(site), b"just text\r\nFrom: nobody\r\n")

    assert site.mailboxes.contents[0].endswith(b"\n\njust text\nFrom: nobody\n")


@pytest.mark.parametrize("size", [0, 10, MEMORY_LIMIT - 1, MEMORY_LIMIT * 2, MEMORY_LIMIT * 9])
def test_any_size_arrives_whole(site, tmp_path, size):
    body = (b"0123456789abcdef" * 4 + b"\r\n") * (size // 66) + b"end\r\n"
    client = ready(site)
    client.say(b"DATA\r\n")

    wire = b"Subject: big\r\n\r\n" + body + b".\r\n"
    reply = client.say(*(wire[n : n + 50_000] for n in range(0, len(wire), 50_000)))

    assert reply[:3] == b"250"
    content = site.mailboxes.contents[0]
    assert content.endswith(b"Subject: big\n\n" + body.replace(b"\r\n", b"\n"))
    assert site.mailboxes.arrivals[0].size == len(content.replace(b"\n", b"\r\n"))
    assert list(tmp_path.iterdir()) == []


def test_memory_of_a_big_message_is_bounded(site):
    client = ready(site)
    client.say(b"DATA\r\n")

    for _ in range(200):
        client.say(b"x" * 65_000 + b"\r\n")
        incoming = client.protocol._transaction.incoming
        assert incoming._buffered + len(client.protocol._buffer) < 600_000

    assert client.code(b".\r\n") == b"250"


def test_reading_pauses_while_the_disk_is_slow(site):
    client = ready(site)
    client.say(b"DATA\r\n")

    client.protocol.data_received(b"x" * 300_000)
    assert client.transport.reading_paused
    client._spin()
    assert not client.transport.reading_paused


def test_an_announced_size_is_refused_before_data(site):
    site.config.snapshot = a_snapshot(message_size_limit=1000)

    reply = Dialogue(site).hello().say(b"MAIL FROM:<a@b.example> SIZE=1001\r\n")

    assert reply == b"552 5.3.4 Message size exceeds fixed limit\r\n"


def test_a_message_over_the_limit_is_swallowed_and_refused(site, tmp_path):
    site.config.snapshot = a_snapshot(message_size_limit=200_000)
    client = ready(site)
    client.say(b"DATA\r\n")

    client.say(*[b"x" * 60_000 + b"\r\n"] * 6)
    assert client.say(b".\r\n") == b"552 5.3.4 Message size exceeds fixed limit\r\n"

    assert site.mailboxes.arrivals == []
    assert list(tmp_path.iterdir()) == []
    assert site.events.of(ev.Refused)[-1].rule == "refuse_big_message"
    assert client.code(MAIL) == b"250"


def test_a_loop_is_refused(site):
    received = b"Received: from a by b\r\n"

    assert send(ready(site), received * 51 + b"\r\n")[:9] == b"554 5.4.6"
    assert send(ready(site), received * 50 + b"\r\n")[:3] == b"250"


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (psycopg.OperationalError("away"), b"451 4.3.0"),
        (psycopg.DataError("odd"), b"451 4.3.0"),
        (StoreUnavailable("x"), b"451 4.3.0"),
        (StoreFull("x"), b"452 4.3.1"),
        (OverQuota("a@b.example", 1), b"452 4.2.2"),
        (MailboxInUse("x"), b"450 4.2.0"),
        (OSError(errno.ENOSPC, "full"), b"452 4.3.1"),
        (RuntimeError("a bug of ours"), b"451 4.3.0"),
    ],
)
def test_what_we_cannot_do_is_never_refused_for_good(site, error, reply):
    client = ready(site)
    site.mailboxes.error = error

    assert send(client, b"Subject: x\r\n\r\n")[:9] == reply
    assert site.events.of(ev.Refused)[-1].rule == "defer_unavailable"
    assert site.events.of(ev.Accepted) == []


def test_a_full_disk_while_receiving_is_temporary_and_the_session_goes_on(tmp_path, site):
    site.incoming = tmp_path / "missing"
    client = ready(site)
    client.say(b"DATA\r\n")

    reply = client.say(*[b"y" * 60_000 + b"\r\n"] * 8, b".\r\n")

    assert reply[:3] == b"451"
    assert client.code(MAIL) == b"250"


def test_bdat_in_chunks(site):
    client = ready(site)

    assert client.code(b"BDAT 10\r\nSubject: x") == b"250"
    assert client.code(MAIL) == b"503"
    assert client.code(b"BDAT 11 LAST\r\n\r\n\r\n.\r\n..\r\n") == b"250"
    assert site.mailboxes.contents[0].endswith(b"Subject: x\n\n.\n..\n")


def test_bdat_may_be_pipelined_with_its_envelope(site):
    client = Dialogue(site).hello()

    replies = client.say(MAIL + RCPT + b"BDAT 4 LAST\r\nA: bRSET\r\n").splitlines()

    assert [reply[:3] for reply in replies] == [b"250"] * 4
    assert site.mailboxes.contents[0].endswith(b"A: b\n")


def test_octets_of_a_refused_bdat_are_not_commands(site):
    client = Dialogue(site).hello()

    assert client.say(b"BDAT 16 LAST\r\nMAIL FROM:<a@b>\r" + b"NOOP\r\n").splitlines() == [
        b"503 5.5.1 Error: need MAIL command",
        b"250 2.0.0 Ok",
    ]


def test_a_bdat_that_cannot_be_counted_ends_the_session(site):
    client = ready(site)

    assert client.code(b"BDAT many LAST\r\nMAIL FROM:<a@b.example>\r\n") == b"501"
    assert client.is_closed


def test_bdat_over_the_limit(site):
    site.config.snapshot = a_snapshot(message_size_limit=100)
    client = ready(site)

    client.say(b"BDAT 90\r\n" + b"x" * 90)
    assert client.code(b"BDAT 90 LAST\r\n" + b"x" * 90) == b"552"
    assert client.code(MAIL) == b"250"


def test_rset_forgets_chunks(site):
    client = ready(site)
    client.say(b"BDAT 3\r\nold")

    client.say(b"RSET\r\n", MAIL, RCPT, b"BDAT 3 LAST\r\nnew")

    assert b"old" not in site.mailboxes.contents[0]
