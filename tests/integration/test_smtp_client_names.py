"""The verified names of clients, from a name server to Received, maillog and trace."""

import time

import pytest

from tests.fakes.dns_server import SILENCE, FakeDns
from tests.fixtures_servers import wait_until
from tests.integration.smtp_server import HOME, run_server

NAMED, LIAR, SILENT, NAMELESS = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"
NAME = "mx.sender.test"
ZONE = f"""
2.0.0.127.in-addr.arpa. 60 IN PTR {NAME}.
{NAME}. 60 IN A 127.0.0.2
3.0.0.127.in-addr.arpa. 60 IN PTR bank.example.
bank.example. 60 IN A 192.0.2.1
1.0.0.127.in-addr.arpa. 60 IN PTR never.asked.test.
never.asked.test. 60 IN A 127.0.0.1
"""


@pytest.fixture(scope="module")
def dns():
    with FakeDns(ZONE, {"4.0.0.127.in-addr.arpa.": SILENCE}) as server:
        yield server


@pytest.fixture(scope="module")
def smtp(dns, servers, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DNS_SERVER", dns.address)
        yield from run_server(servers, tmp_path_factory.mktemp("home"))


def deliver(smtp, source):
    """One message from that address; returns its Received field as it is on disk."""
    alice, client = smtp.account(), smtp.hello(source)
    assert client.code(b"MAIL FROM:<a@sender.example>") == b"250"
    assert client.code(f"RCPT TO:<{alice}>".encode()) == b"250"
    assert client.code(b"DATA") == b"354"
    assert client.code(b"Subject: x\r\n\r\nx\r\n.") == b"250"
    client.say(b"QUIT")
    [message] = smtp.messages(alice)
    return next(line for line in message.decode().splitlines() if line.startswith("Received: "))


@pytest.mark.parametrize(
    ("source", "name"), [(NAMED, NAME), (LIAR, "unknown"), (NAMELESS, "unknown"), (HOME, "localhost")]
)
def test_received_names_who_can_prove_the_name(smtp, source, name):
    assert deliver(smtp, source) == f"Received: from client.test ({name} [{source}])"


def test_this_machine_is_not_looked_up(smtp, dns):
    deliver(smtp, HOME)

    assert not [question for question in dns.questions if question.startswith("1.0.0.127")]


def test_a_client_that_comes_again_is_not_looked_up_again(smtp, dns):
    deliver(smtp, NAMED)
    dns.questions.clear()

    assert NAME in deliver(smtp, NAMED)

    assert dns.questions == []


def test_maillog_and_trace_have_the_name(smtp):
    client = smtp.hello(NAMED)
    client.say(b"MAIL FROM:<spammer@sender.example>")
    assert client.code(b"RCPT TO:<x@elsewhere.example>") == b"554"
    client.say(b"QUIT")

    maillog = smtp.home / "log" / "maillog"
    wanted = (f"connect from {NAME}[{NAMED}]", f"reject: RCPT from {NAME}[{NAMED}]: 554", f"disconnect from {NAME}")

    def is_written() -> bool:
        return maillog.exists() and all(text in maillog.read_text() for text in wanted)

    wait_until(is_written, seconds=5, what="the maillog is written")
    refused = "SELECT client_name FROM trace_event WHERE kind = 'refused' AND sender = 'spammer@sender.example'"
    wait_until(lambda: smtp.execute(refused) == [(NAME,)], seconds=5, what="the trace is written")


def test_a_name_server_that_says_nothing_delays_only_the_first_mail_and_briefly(smtp):
    begun = time.monotonic()
    client = smtp.hello(SILENT)
    greeted = time.monotonic()
    assert client.code(b"MAIL FROM:<a@sender.example>") == b"250"
    accepted = time.monotonic()
    client.say(b"RSET")
    assert client.code(b"MAIL FROM:<a@sender.example>") == b"250"
    again = time.monotonic()

    assert greeted - begun < 1.0
    assert 1.0 < accepted - begun < 3.0
    assert again - accepted < 1.0
