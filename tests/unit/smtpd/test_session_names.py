"""The client's name in a session: nobody waits for it but MAIL, and everything that is recorded has it."""

import base64
from datetime import UTC, datetime

import pytest

from mailcore.maillog import event as ev
from mailcore.maillog.line import lines_of
from smtpd.client import MX, SUBMISSION
from tests.unit.smtpd.support import STRANGER, TRUSTED, Dialogue, a_snapshot

MAIL = b"MAIL FROM:<a@sender.example>\r\n"
RCPT = b"RCPT TO:<alice@example.org>\r\n"
NAME = "mx.sender.example"


@pytest.fixture
def slow(site):
    """A site that has to ask for the stranger's name."""
    site.names.slow.add(STRANGER)
    return site


def kinds(site):
    return [event.kind for event in site.events.events]


def names(site):
    return {event.client_name for event in site.events.events if hasattr(event, "client_name")}


def test_a_name_that_is_known_is_there_from_the_start(site):
    site.names.names[STRANGER] = NAME

    Dialogue(site)

    assert [event.client_name for event in site.events.of(ev.Connected)] == [NAME]


def test_greeting_and_hello_do_not_wait_for_the_name(slow):
    client = Dialogue(slow)

    assert client.greeting.startswith(b"220 ")
    assert client.code(b"EHLO client.example\r\n") == b"250"
    assert client.code(b"NOOP\r\n") == b"250"
    assert slow.events.events == []


def test_the_connection_is_recorded_with_the_name_and_the_time_it_began(slow):
    client = Dialogue(slow)
    begun = datetime.now(UTC)

    slow.names.answer(STRANGER, NAME)
    client.say(b"NOOP\r\n")

    [event] = slow.events.events
    assert (event.kind, event.client_name) == ("connected", NAME)
    assert event.at <= begun
    assert lines_of(event, "mail", 1)[0].endswith(f"connect from {NAME}[{STRANGER}]")


def test_mail_waits_for_the_name(slow):
    client = Dialogue(slow).hello()

    assert client.say(MAIL, RCPT) == b""
    slow.names.answer(STRANGER, NAME)

    assert client.say() == b"250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n"
    client.say(b"DATA\r\n", b"Subject: x\r\n\r\nx\r\n.\r\n")
    assert f"from client.example ({NAME} [{STRANGER}])".encode() in slow.mailboxes.contents[0]
    assert slow.mailboxes.arrivals[0].client == f"{NAME}[{STRANGER}]"
    assert names(slow) == {NAME}


def test_the_name_is_asked_for_once_in_a_session(slow):
    client = Dialogue(slow).hello()
    slow.names.answer(STRANGER, NAME)
    client.say(MAIL)

    assert client.code(b"RSET\r\n") == b"250"
    assert client.code(MAIL) == b"250"


def test_refusals_are_answered_at_once_and_recorded_with_the_name_in_order(slow):
    client = Dialogue(slow).hello()

    assert client.code(b"MAIL FROM:<a@b.example> SIZE=x\r\n") == b"501"
    assert client.code(b"NOOP\n") == b"521"
    assert client.is_closed
    client.hang_up()
    assert slow.events.events == []
    slow.names.answer(STRANGER, NAME)
    client.say()

    assert kinds(slow) == ["connected", "refused", "refused", "disconnected"]
    assert names(slow) == {NAME}


def test_a_failed_login_has_the_name_and_its_place(slow):
    slow.config.snapshot = a_snapshot(plaintext_auth="mynetworks", mynetworks={STRANGER})
    client = Dialogue(slow, listener=SUBMISSION).hello()
    credentials = base64.b64encode(b"\0alice@example.org\0wrong")

    assert client.code(b"AUTH PLAIN " + credentials + b"\r\n") == b"535"
    slow.names.answer(STRANGER, NAME)
    client.say(b"NOOP\r\n")

    assert kinds(slow) == ["connected", "auth_failed"]
    assert f"warning: {NAME}[{STRANGER}]: SASL PLAIN" in lines_of(slow.events.events[1], "mail", 1)[0]


def test_sessions_that_wait_do_not_hold_up_others(slow):
    Dialogue(slow).hello().say(MAIL)

    assert Dialogue(slow, peer=TRUSTED).hello().code(MAIL) == b"250"


def test_a_client_that_leaves_while_mail_waits(slow):
    client = Dialogue(slow, listener=MX).hello()
    client.say(MAIL)

    client.hang_up()
    slow.names.answer(STRANGER, NAME)
    client.say()

    assert kinds(slow) == ["connected", "disconnected"]
    assert slow.open == set()
