"""Mail to the outside through a real Postfix as relay host, with STARTTLS and AUTH."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.certificates import TestAuthority
from tests.fakes.private_postfix import PrivatePostfix
from tests.fakes.smtp_sink import Sink
from tests.fixtures_servers import choose_free_port, wait_until
from tests.interop.conftest import Office

USER, PASSWORD = "mailkeep", "a password with spaces"


@pytest.fixture
def outside() -> Iterator[Sink]:
    """The rest of the world, behind the relay host."""
    with Sink() as sink:
        yield sink


@pytest.fixture
def postfix(outside: Sink, tmp_path: Path) -> Iterator[PrivatePostfix]:
    cert, key = TestAuthority(tmp_path).issue("127.0.0.1")
    with PrivatePostfix(choose_free_port(), outside.port, cert, key, {USER: PASSWORD}) as postfix:
        yield postfix


@pytest.fixture
def relayhost(office: Office, postfix: PrivatePostfix) -> Iterator[dict[str, Any]]:
    """It is our relay host for everything, until the test ends."""
    body = {"host": "127.0.0.1", "port": postfix.port, "tls": "encrypt", "username": USER, "password": PASSWORD}
    made = office.appliance.api("POST", "relayhosts/", body)
    assert made.status == 201, made
    assert office.appliance.api("PATCH", "settings/", {"relayhost": made.body["id"]}).status == 200
    yield made.body
    office.appliance.api("PATCH", "settings/", {"relayhost": None})
    office.appliance.api("DELETE", f"relayhosts/{made.body['id']}/")


def queue(office: Office, recipient: str) -> list[dict[str, Any]]:
    answer = office.appliance.api("GET", f"queue/?recipient={recipient}")
    assert answer.status == 200, answer
    return list(answer.body["results"])


def test_mail_goes_through_with_starttls_and_auth(office, postfix, relayhost, outside):
    postfix.start()

    subject = office.send("friend@outside.test", sender=office.alice)

    wait_until(lambda: outside.received, seconds=15, what=postfix.log)
    assert f"Subject: {subject}\r\n".encode() in outside.received[0].content
    assert outside.received[0].sender == office.alice and postfix.logins == [USER]
    assert "TLS connection established" in postfix.log or "ESMTPSA" in outside.received[0].content.decode()


def test_mail_waits_while_the_relay_host_is_down_and_arrives_when_it_is_up(office, postfix, relayhost, outside):
    office.send("later@outside.test", sender=office.alice)

    wait_until(lambda: [r for m in queue(office, "later@outside.test") for r in m["recipients"] if r["attempts"]])
    (message,) = queue(office, "later@outside.test")
    (recipient,) = message["recipients"]
    assert recipient["state"] == "waiting" and "refused" in recipient["last_reply"]
    assert str(postfix.port) in recipient["last_reply"]

    postfix.start()
    assert office.appliance.api("POST", f"queue/{message['queue_id']}/retry/", {}).status == 200

    wait_until(lambda: outside.received, seconds=15, what=postfix.log)
    wait_until(lambda: not queue(office, "later@outside.test"))


def test_a_550_from_the_relay_host_becomes_a_bounce_in_the_inbox(office, postfix, relayhost):
    postfix.start()

    office.send("gone@outside.test", sender=office.alice)

    office.wait_for(office.alice, "Your message could not be delivered", seconds=15)
    client = office.imap(office.alice)
    client.select("INBOX", readonly=True)
    _, found = client.search(None, "SUBJECT", '"could not be delivered"', "TEXT", '"gone@outside.test"')
    _, parts = client.fetch(found[0].split()[-1].decode(), "(BODY.PEEK[])")
    client.logout()
    bounce = parts[0][1].decode()
    assert "nobody of that name lives here" in bounce and "Status: 5.1.1" in bounce
    assert "Final-Recipient: rfc822; gone@outside.test" in bounce
    assert not queue(office, "gone@outside.test")


def test_a_wrong_password_waits_for_somebody_to_correct_it(office, postfix, relayhost, outside):
    postfix.start()
    path = f"relayhosts/{relayhost['id']}/"
    assert office.appliance.api("PATCH", path, {"password": "wrong"}).status == 200

    office.send("patient@outside.test", sender=office.alice)
    wait_until(lambda: [r for m in queue(office, "patient@outside.test") for r in m["recipients"] if r["attempts"]])
    (message,) = queue(office, "patient@outside.test")
    assert "535" in message["recipients"][0]["last_reply"]

    assert office.appliance.api("PATCH", path, {"password": PASSWORD}).status == 200
    office.appliance.api("POST", f"queue/{message['queue_id']}/retry/", {})
    wait_until(lambda: outside.received, seconds=15, what=postfix.log)
