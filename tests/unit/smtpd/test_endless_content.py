"""What is refused is read past, so that its end can be found; but not for ever."""

import pytest

from mailcore.maillog import event as ev
from smtpd.content import READ_PAST_S
from tests.unit.smtpd.support import Dialogue, a_snapshot

MAIL = b"MAIL FROM:<a@sender.example>\r\n"
RCPT = b"RCPT TO:<alice@example.org>\r\n"
TOO_BIG = b"552 5.3.4 Message size exceeds fixed limit\r\n"
ENOUGH = b"421 4.3.4 Error: too much sent after it was refused\r\n"
BLOCK = b"x" * 100
LIMIT, MARGIN = 1000, 5000


@pytest.fixture(autouse=True)
def small_margin(monkeypatch):
    monkeypatch.setattr("smtpd.content.READ_PAST", MARGIN)


@pytest.fixture
def client(site):
    site.config.snapshot = a_snapshot(message_size_limit=LIMIT)
    client = Dialogue(site).hello()
    client.say(MAIL, RCPT)
    return client


def send_until_closed(client, most):
    """(octets sent, the answer)"""
    for number in range(1, most // len(BLOCK) + 2):
        answer = client.say(BLOCK)
        if client.is_closed:
            return number * len(BLOCK), answer
    return None, b"still there"


def test_data_without_an_end_is_refused_and_the_connection_closed(site, client, tmp_path):
    client.say(b"DATA\r\n")

    sent, answer = send_until_closed(client, 20_000)

    assert answer == TOO_BIG + ENOUGH
    assert 2 * LIMIT + MARGIN < sent < 2 * LIMIT + MARGIN + 3 * len(BLOCK)
    assert [event.rule for event in site.events.of(ev.Refused)] == ["refuse_big_message", "refuse_endless_content"]
    assert list(tmp_path.iterdir()) == []


def test_what_is_too_big_by_less_hears_so_at_its_end_and_the_session_goes_on(client):
    client.say(b"DATA\r\n", *[BLOCK] * ((2 * LIMIT + MARGIN) // len(BLOCK) - 2))

    assert client.say(b"\r\n.\r\nNOOP\r\n") == TOO_BIG + b"250 2.0.0 Ok\r\n"


def test_what_could_not_be_written_is_not_read_for_ever_and_may_come_again(site, tmp_path, monkeypatch):
    monkeypatch.setattr("smtpd.content.READ_PAST", 210_000)
    site.config.snapshot = a_snapshot(message_size_limit=0)
    site.incoming = tmp_path / "is not there"
    client = Dialogue(site).hello()
    client.say(MAIL, RCPT, b"DATA\r\n", b"x" * 200_000)

    sent, answer = send_until_closed(client, 20_000)

    assert answer == b"451 4.3.0 Temporary failure, try again later\r\n" + ENOUGH
    assert 210_000 < 200_000 + sent < 210_000 + 3 * len(BLOCK)


def test_a_message_without_a_limit_is_never_too_long(site):
    site.config.snapshot = a_snapshot(message_size_limit=0)
    client = Dialogue(site).hello()
    client.say(MAIL, RCPT, b"DATA\r\n", *[BLOCK] * 200)

    assert client.code(b"\r\n.\r\n") == b"250"


def test_refused_data_that_drips_ends_after_a_while(client, monkeypatch):
    now = client.loop.time()
    monkeypatch.setattr(client.loop, "time", lambda: now)
    client.say(b"DATA\r\n", b"x" * (LIMIT + 10))
    now += READ_PAST_S - 1

    assert client.say(b"x") == b""
    now += 2

    assert client.say(b"x") == TOO_BIG + ENOUGH
    assert client.is_closed


def test_a_chunk_beyond_all_bounds_is_refused_before_it_comes(site, client):
    assert client.say(b"BDAT 999999999999999 LAST\r\n") == TOO_BIG + ENOUGH
    assert client.is_closed
    assert [event.rule for event in site.events.of(ev.Refused)] == ["refuse_big_message", "refuse_endless_content"]


def test_the_chunk_that_makes_a_message_too_big_is_refused(site, client):
    assert client.code(b"BDAT 900\r\n" + b"x" * 900) == b"250"

    assert client.say(b"BDAT 900\r\n" + b"x" * 900) == TOO_BIG
    assert client.code(b"BDAT 10 LAST\r\n" + b"x" * 10) == b"503"
    assert not client.is_closed
    assert client.say(MAIL, RCPT, b"BDAT 3 LAST\r\nnew").splitlines()[-1][:3] == b"250"
    assert site.mailboxes.contents[0].endswith(b"new\n")


def test_a_chunk_nobody_asked_for_is_read_past_if_it_is_no_larger_than_that(site):
    site.config.snapshot = a_snapshot(message_size_limit=LIMIT)
    client = Dialogue(site).hello()

    assert client.say(b"BDAT 6000\r\n" + b"x" * 6000) == b"503 5.5.1 Error: need MAIL command\r\n"
    assert client.say(b"BDAT 6001\r\n") == b"503 5.5.1 Error: need MAIL command\r\n" + ENOUGH
    assert client.is_closed


def test_a_chunk_without_a_transaction_that_drips_ends_after_a_while(site, monkeypatch):
    client = Dialogue(site).hello()
    now = client.loop.time()
    monkeypatch.setattr(client.loop, "time", lambda: now)
    client.say(b"BDAT 1000\r\n", b"x")
    now += READ_PAST_S + 1

    assert client.say(b"x") == b"503 5.5.1 Error: need MAIL command\r\n" + ENOUGH


def test_a_command_line_without_an_end_ends_the_session(site, monkeypatch):
    monkeypatch.setattr("smtpd.stream.LONGEST_LINE", 50_000)
    client = Dialogue(site).hello()

    for _ in range(4):
        assert client.say(b"x" * 12_300) == b""

    assert client.say(b"x" * 12_300) == b"500 5.5.2 Error: line too long\r\n" + ENOUGH
    assert client.is_closed
