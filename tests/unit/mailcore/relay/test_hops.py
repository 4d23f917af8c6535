"""Where a queued recipient goes, by the configuration of this moment."""

from __future__ import annotations

import pytest

from mailcore.address import Address
from mailcore.config.snapshot import DomainRecord, NextHop, Snapshot
from mailcore.relay.hops import LOCAL_KEY, HopKeys, hop_of

RELAYHOST = NextHop("smtp.provider.test", 587, lookup_mx=False, tls="encrypt", username="us")
PARTNER = NextHop("mx.partner.test", 25, lookup_mx=False)
SNAPSHOT = Snapshot(
    myhostname="mail.here.test",
    mydomain="here.test",
    myorigin="here.test",
    domains={
        "here.test": DomainRecord("here.test", "local"),
        "also.test": DomainRecord("also.test", "alias", "here.test"),
        "customer.test": DomainRecord("customer.test", "relay"),
    },
    recipient_rules={"partner.test": PARTNER},
    relayhost=RELAYHOST,
)


def hop(text: str, snapshot: Snapshot = SNAPSHOT) -> NextHop | None:
    return hop_of(Address.parse(text), None, snapshot)


@pytest.mark.parametrize("text", ["a@here.test", "a@HERE.test", "a@also.test", "a@mail.here.test", "a@localhost"])
def test_our_own_domains_and_names_are_here(text):
    assert hop(text) is None


@pytest.mark.parametrize(("text", "expected"), [("a@partner.test", PARTNER), ("a@customer.test", RELAYHOST)])
def test_everything_else_goes_on(text, expected):
    assert hop(text) is expected


def test_keys_are_equal_where_a_connection_can_be_shared():
    keys = HopKeys(SNAPSHOT)

    assert keys("a@one.test", "") == keys("b@two.test", "x@y.test") != keys("a@partner.test", "")
    assert keys("a@here.test", "") == LOCAL_KEY


def test_rules_for_senders_are_seen():
    snapshot = Snapshot(sender_rules={"vip.test": PARTNER}, relayhost=RELAYHOST)
    keys = HopKeys(snapshot)

    assert keys("a@one.test", "boss@vip.test") == PARTNER.key
    assert keys("a@one.test", "clerk@plain.test") == RELAYHOST.key


def test_an_address_that_is_none_by_now_fails_locally():
    assert HopKeys(SNAPSHOT)("not an address", "") == LOCAL_KEY
