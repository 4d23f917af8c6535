"""Who only looks whether a port answers (health checks of this machine) leaves no line in the maillog."""

import pytest

from mailcore.maillog import event as ev
from tests.unit.smtpd.support import STRANGER, TRUSTED, Dialogue, a_snapshot

HERE = "127.0.0.1"


def kinds(site):
    return [event.kind for event in site.events.events]


@pytest.mark.parametrize("said", [[], [b"QUIT\r\n"], [b"NOOP\r\n", b"QUIT\r\n"]])
@pytest.mark.parametrize("peer", [HERE, "::1", "::ffff:127.0.0.1"])
def test_a_connection_of_this_machine_that_never_says_hello_is_not_recorded(site, peer, said):
    client = Dialogue(site, peer=peer)
    assert client.greeting.startswith(b"220")

    client.say(*said)
    client.hang_up()

    assert kinds(site) == []


@pytest.mark.parametrize("peer", [TRUSTED, STRANGER, "127.0.0.2"])
def test_every_other_connection_is(site, peer):
    Dialogue(site, peer=peer).hang_up()

    assert kinds(site) == ["connected", "disconnected"]


def test_whoever_says_hello_is(site):
    client = Dialogue(site, peer=HERE).hello()
    assert kinds(site) == ["connected"]

    client.say(b"QUIT\r\n")
    client.hang_up()

    assert kinds(site) == ["connected", "disconnected"]


def test_a_refusal_is_recorded_with_the_connection_before_it(site):
    client = Dialogue(site, peer=HERE)

    client.say(b"NOOP\n")
    client.hang_up()

    assert kinds(site) == ["connected", "refused", "disconnected"]


def test_a_session_in_which_hello_is_forgotten_for_tls_is_recorded_once(site):
    client = Dialogue(site, peer=HERE).hello()
    client.protocol._client.helo = ""  # as after STARTTLS

    client.hang_up()

    assert kinds(site) == ["connected", "disconnected"]


def test_a_connection_too_many_is_recorded(site):
    site.config.snapshot = a_snapshot(client_connection_limit=1)
    Dialogue(site, peer=HERE)

    assert Dialogue(site, peer=HERE).greeting.startswith(b"421")

    assert [event.client_address for event in site.events.of(ev.Refused)] == [HERE]
    assert kinds(site) == ["connected", "refused", "disconnected"]
