"""Who has logged in and may not be that account any more is told so at the next command, and the session ends."""

from dataclasses import replace

import pytest

from mailcore.errors import DirectoryUnavailable
from mailcore.maillog import event as ev
from smtpd.client import SUBMISSION
from tests.unit.smtpd.support import TRUSTED, Dialogue, a_snapshot

OVER = b"421 4.7.0 Error: this login is not valid any more\r\n"
AUTH = b"AUTH PLAIN AGFsaWNlQGV4YW1wbGUub3JnAHNlY3JldA==\r\n"
MAIL = b"MAIL FROM:<alice@example.org>\r\n"
RCPT = b"RCPT TO:<carol@elsewhere.example>\r\n"


@pytest.fixture
def client(site):
    site.config.snapshot = a_snapshot(plaintext_auth="mynetworks")
    client = Dialogue(site, peer=TRUSTED, listener=SUBMISSION).hello()
    assert client.code(AUTH) == b"235"
    return client


def change(site, why):
    """The configuration is another now; says so of alice's login."""
    site.authenticator.over = why
    site.config.snapshot = replace(site.config.snapshot, generation=site.config.snapshot.generation + 1)


@pytest.mark.parametrize("command", [b"NOOP\r\n", MAIL, b"EHLO again.example\r\n", b"RSET\r\n", b"VRFY x\r\n"])
def test_the_next_command_hears_that_the_login_is_over(site, client, command):
    change(site, "network not allowed")

    assert client.say(command) == OVER
    assert client.is_closed
    (refused,) = site.events.of(ev.Refused)
    assert (refused.rule, refused.reason, refused.stage) == (
        "refuse_ended_login",
        "network not allowed",
        command.split()[0].decode(),
    )


def test_a_transaction_does_not_outlive_it(site, client):
    client.say(MAIL, RCPT)
    change(site, "account disabled")

    assert client.say(b"DATA\r\n") == OVER
    assert site.mailboxes.arrivals == []


def test_a_message_that_is_on_its_way_is_taken_first(site, client):
    client.say(MAIL, RCPT, b"DATA\r\n", b"Subject: x\r\n")
    change(site, "account disabled")

    assert client.code(b"\r\n.\r\n") == b"250"
    assert client.say(MAIL) == OVER


def test_goodbye_is_said_as_ever(site, client):
    change(site, "account disabled")

    assert client.say(b"QUIT\r\n") == b"221 2.0.0 Bye\r\n"


def test_it_is_asked_for_once_after_each_change_and_never_without_a_login(site, client):
    other = Dialogue(site).hello()
    assert client.say(b"NOOP\r\n" * 1) == b"250 2.0.0 Ok\r\n"
    assert site.authenticator.asked == []
    change(site, "")

    for _ in range(3):
        assert client.say(b"NOOP\r\n") == other.say(b"NOOP\r\n") == b"250 2.0.0 Ok\r\n"

    assert site.authenticator.asked == [("alice@example.org", "smtp", TRUSTED)]


def test_the_octets_of_a_chunk_are_no_commands_though_nobody_could_be_looked_up(site, client):
    client.say(MAIL, RCPT)
    change(site, DirectoryUnavailable("away"))
    content = b"VRFY nobody\r\nQUIT\r\n"

    assert client.say(b"BDAT %d LAST\r\n%b" % (len(content), content))[:3] == b"250"
    assert client.say(b"NOOP\r\n")[:3] == b"451"


def test_who_cannot_be_looked_up_comes_again_and_is_looked_up_again(site, client):
    change(site, DirectoryUnavailable("away"))

    assert client.say(MAIL) == b"451 4.3.0 Temporary failure, try again later\r\n"
    site.authenticator.over = ""
    assert client.say(MAIL) == b"250 2.1.0 Ok\r\n"
