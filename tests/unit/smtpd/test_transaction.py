"""Decisions seen from the client's side, and what is recorded of them."""

import base64

import pytest

from mailcore.errors import DirectoryUnavailable
from mailcore.maillog import event as ev
from smtpd.client import SUBMISSION
from tests.unit.smtpd.support import STRANGER, TRUSTED, Dialogue, a_snapshot

MAIL = b"MAIL FROM:<a@sender.example>\r\n"
PLAIN = base64.b64encode(b"\0alice@example.org\0secret")


def rcpt(client, address):
    return client.code(b"RCPT TO:<" + address + b">\r\n")


def test_a_stranger_reaches_us_and_nobody_else(site):
    client = Dialogue(site).hello()
    client.say(MAIL)

    assert client.say(b"RCPT TO:<x@elsewhere.example>\r\n") == b"554 5.7.1 Relay access denied\r\n"
    assert rcpt(client, b"x@relay.example") == b"250"
    assert rcpt(client, b"alice@alias.example") == b"250"
    assert rcpt(client, b"postmaster") == b"250"
    assert rcpt(client, b"alice") == b"504"
    assert rcpt(client, b"ghost@example.org") == b"550"
    assert rcpt(client, b"bob@example.org") == b"452"
    rules = [event.rule for event in site.events.of(ev.Refused)]
    assert rules == ["refuse_open_relay", "refuse_unqualified_recipient", "refuse_unknown_user", "refuse_over_quota"]


def test_a_refusal_is_recorded_with_everything_that_is_known(site):
    client = Dialogue(site).hello()
    client.say(MAIL, b"RCPT TO:<x@elsewhere.example>\r\n")

    event = site.events.of(ev.Refused)[0]

    assert (event.client_address, event.helo, event.stage) == (STRANGER, "client.example", "RCPT")
    assert (event.sender, event.recipient) == ("a@sender.example", "x@elsewhere.example")
    assert event.reply == "554 5.7.1 Relay access denied"
    assert STRANGER in event.reason


def test_relay_access_follows_a_change_of_mynetworks_with_the_next_transaction(site):
    client = Dialogue(site).hello()
    client.say(MAIL)
    assert rcpt(client, b"x@elsewhere.example") == b"554"

    site.config.snapshot = a_snapshot(mynetworks={STRANGER})

    assert rcpt(client, b"x@elsewhere.example") == b"554"
    client.say(b"RSET\r\n", MAIL)
    assert rcpt(client, b"x@elsewhere.example") == b"250"


def test_an_alias_is_delivered_here_and_queued_for_elsewhere(site):
    client = Dialogue(site).hello()
    client.say(MAIL, b"RCPT TO:<sales@example.org> NOTIFY=NEVER\r\n", b"RCPT TO:<alice@example.org>\r\n")
    client.say(b"DATA\r\n", b"Subject: x\r\n\r\n.\r\n")

    arrival = site.mailboxes.arrivals[0]
    assert [local.account.address for local in arrival.local] == ["alice@example.org"]
    assert [str(recipient.address) for recipient in arrival.remote] == ["carol@elsewhere.example"]
    assert arrival.remote[0].notify == {"NEVER"}
    assert site.mailboxes.woken == 1
    assert site.events.of(ev.Expanded)[0].targets == ("alice@example.org", "carol@elsewhere.example")
    assert site.events.of(ev.DeliveredLocally)[0].original == "sales@example.org"
    accepted = site.events.of(ev.Accepted)[0]
    assert accepted.recipients == ("sales@example.org", "alice@example.org")
    assert accepted.rule == "permit_destination"


def test_names_without_a_domain_get_ours_from_those_we_know(site):
    client = Dialogue(site, peer=TRUSTED).hello()
    client.say(b"MAIL FROM:<root>\r\n", b"RCPT TO:<alice>\r\n", b"DATA\r\n", b"x: y\r\n\r\n.\r\n")

    assert str(site.mailboxes.arrivals[0].envelope.sender) == "root@example.org"


def test_the_null_sender_is_welcome(site):
    client = Dialogue(site).hello()
    client.say(b"MAIL FROM:<>\r\n", b"RCPT TO:<alice@example.org>\r\n", b"DATA\r\n", b"x: y\r\n\r\n.\r\n")

    assert site.mailboxes.arrivals[0].envelope.sender is None
    assert site.mailboxes.contents[0].startswith(b"Return-Path: <>\n")


def test_envelope_parameters_reach_the_queue(site):
    client = Dialogue(site, peer=TRUSTED).hello()
    client.say(b"MAIL FROM:<a@b.example> RET=HDRS ENVID=Q+2B1 BODY=8BITMIME SMTPUTF8\r\n")
    client.say(b"RCPT TO:<x@elsewhere.example> ORCPT=rfc822;y@z\r\n", b"DATA\r\n", b"x: y\r\n\r\n.\r\n")

    envelope = site.mailboxes.arrivals[0].envelope
    assert (envelope.ret, envelope.envid, envelope.body_8bit, envelope.smtputf8) == ("HDRS", "Q+1", True, True)
    assert envelope.recipients[0].orcpt == "rfc822;y@z"


def test_a_directory_that_does_not_answer_defers(site):
    class Away:
        def cached(self, key):
            return None

        def entry(self, key):
            raise DirectoryUnavailable("no database")

    site.directory = Away()
    client = Dialogue(site).hello()
    client.say(MAIL)

    assert client.say(b"RCPT TO:<alice@example.org>\r\n") == b"451 4.3.0 Temporary failure, try again later\r\n"
    event = site.events.of(ev.Refused)[0]
    assert (event.rule, event.recipient) == ("defer_unavailable", "alice@example.org")


def test_known_addresses_need_no_thread(site):
    asked = []

    async def plain(fn, *args):
        asked.append(fn)
        return fn(*args)

    site.plain = plain
    client = Dialogue(site).hello()
    client.say(MAIL, b"RCPT TO:<sales@example.org>\r\n", b"DATA\r\n", b"x: y\r\n\r\n.\r\n")

    assert asked == []


def test_limits_of_one_client(site):
    site.config.snapshot = a_snapshot(client_connection_limit=2, client_message_rate_limit=2, mynetworks={TRUSTED})
    first, second = Dialogue(site).hello(), Dialogue(site).hello()

    third = Dialogue(site)
    assert third.greeting.startswith(b"421 4.7.0")
    assert third.is_closed
    assert Dialogue(site, peer=TRUSTED).greeting.startswith(b"220")
    second.say(b"QUIT\r\n")
    second.hang_up()
    third.hang_up()
    assert Dialogue(site).greeting.startswith(b"220")
    assert [first.code(MAIL + b"RSET\r\n") for _ in range(3)] == [b"250"] * 3
    assert first.say(MAIL) == b"450 4.7.1 Error: too much mail from your address\r\n"
    site.clock.advance(61)
    assert first.code(MAIL) == b"250"


def submission(site, peer=TRUSTED):
    site.config.snapshot = a_snapshot(plaintext_auth="mynetworks")
    return Dialogue(site, peer=peer, listener=SUBMISSION).hello()


def test_submission_wants_to_know_who_it_is(site):
    assert submission(site).say(MAIL) == b"530 5.7.0 Authentication required\r\n"
    site.config.snapshot = a_snapshot()
    client = Dialogue(site, listener=SUBMISSION).hello()
    assert client.say(MAIL) == b"530 5.7.0 Must issue a STARTTLS command first\r\n"


def test_an_authenticated_user_may_relay_under_the_own_name_only(site):
    client = submission(site)

    assert client.say(b"AUTH PLAIN " + PLAIN + b"\r\n") == b"235 2.7.0 Authentication successful\r\n"
    assert client.code(b"MAIL FROM:<ceo@example.org>\r\n") == b"553"
    assert client.code(b"MAIL FROM:<bob@example.org>\r\n") == b"553"
    assert client.code(b"MAIL FROM:<a@sender.example>\r\n") == b"553"
    assert client.code(b"MAIL FROM:<sales@example.org>\r\n") == b"250"
    client.say(b"RSET\r\n")
    assert client.code(b"MAIL FROM:<alice+lists@alias.example>\r\n") == b"250"
    assert rcpt(client, b"x@elsewhere.example") == b"250"
    client.say(b"DATA\r\n", b"Subject: x\r\n\r\n.\r\n")
    arrival = site.mailboxes.arrivals[0]
    assert arrival.account == "alice@example.org"
    assert b"with ESMTPA id" in site.mailboxes.contents[0]
    assert site.events.of(ev.Accepted)[0].rule == "permit_authenticated"


@pytest.mark.parametrize(
    ("lines", "last"),
    [
        ([b"AUTH PLAIN", PLAIN], b"235"),
        ([b"AUTH LOGIN", base64.b64encode(b"alice@example.org"), base64.b64encode(b"secret")], b"235"),
        ([b"auth login " + base64.b64encode(b"alice@example.org"), base64.b64encode(b"secret")], b"235"),
        ([b"AUTH PLAIN", base64.b64encode(b"\0alice@example.org\0wrong")], b"535"),
        ([b"AUTH PLAIN", b"*"], b"501"),
        ([b"AUTH PLAIN", b"not base64!"], b"501"),
        ([b"AUTH PLAIN", base64.b64encode(b"onlyone")], b"501"),
        ([b"AUTH PLAIN", base64.b64encode(b"bob\0alice@example.org\0secret")], b"535"),
        ([b"AUTH CRAM-MD5"], b"504"),
        ([b"AUTH"], b"501"),
    ],
)
def test_authentication(site, lines, last):
    client = submission(site)

    assert [client.code(line + b"\r\n") for line in lines] == [b"334"] * (len(lines) - 1) + [last]


def test_authentication_only_once_and_not_within_a_transaction(site):
    client = submission(site)
    client.say(b"AUTH PLAIN " + PLAIN + b"\r\n")

    assert client.code(b"AUTH PLAIN " + PLAIN + b"\r\n") == b"503"
    other = Dialogue(site, peer=TRUSTED).hello()
    other.say(MAIL)
    assert other.code(b"AUTH PLAIN " + PLAIN + b"\r\n") == b"503"


def test_authentication_is_recorded_without_the_password(site):
    client = submission(site)
    client.say(b"AUTH PLAIN " + base64.b64encode(b"\0alice@example.org\0mistake") + b"\r\n")
    client.say(b"AUTH PLAIN " + PLAIN + b"\r\n")

    assert site.events.of(ev.AuthFailed)[0].login == "alice@example.org"
    assert site.events.of(ev.AuthOk)[0].account == "alice@example.org"
    assert "secret" not in repr(site.events.events)
    assert "mistake" not in repr(site.events.events)


def test_no_password_in_clear_from_elsewhere(site):
    assert submission(site, peer=STRANGER).say(b"AUTH PLAIN " + PLAIN + b"\r\n")[:10] == b"538 5.7.11"


def test_a_recipient_whose_delivery_is_to_be_reported_goes_through_the_queue(site):
    client = Dialogue(site).hello()
    client.say(MAIL, b"RCPT TO:<alice@example.org> NOTIFY=SUCCESS\r\n", b"DATA\r\n", b"Subject: x\r\n\r\n.\r\n")

    arrival = site.mailboxes.arrivals[0]
    assert arrival.local == ()
    assert [(str(to.address), to.notify) for to in arrival.remote] == [("alice@example.org", {"SUCCESS"})]
    assert site.mailboxes.woken == 1
