"""The Snapshot: trusted networks, next hops, where passwords may be said in the clear."""

import ipaddress

import pytest

from mailcore.address import Address
from mailcore.config.snapshot import NetworkSet, NextHop, Snapshot, plaintext_allowed

RELAY = NextHop("relay.example.net", 587, lookup_mx=False, tls="encrypt", username="me", rule="relayhost")
PARTNER = NextHop("partner.example", 25, lookup_mx=False, rule="relayhost")


def networks(*texts: str) -> NetworkSet:
    return NetworkSet(tuple(ipaddress.ip_network(text) for text in texts))


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("192.0.2.7", True),
        ("192.0.3.7", False),
        ("::ffff:192.0.2.7", True),
        ("2001:db8::5", True),
        ("2001:db9::5", False),
        ("fe80::1%eth0", False),
        ("unknown", False),
        ("", False),
    ],
)
def test_a_client_is_in_mynetworks_by_address(address, inside):
    assert (address in networks("192.0.2.0/24", "2001:db8::/32")) is inside


def hop_of(snapshot: Snapshot, recipient: str, sender: str = "a@example.org") -> NextHop:
    return snapshot.next_hop(Address.parse(recipient), Address.parse(sender) if sender else None)


def test_without_rules_and_relayhost_mail_goes_to_the_mx():
    hop = hop_of(Snapshot(), "b@Example.COM")

    assert (hop.host, hop.port, hop.lookup_mx, hop.rule) == ("example.com", 25, True, "mx")


def test_the_relayhost_takes_everything_else():
    assert hop_of(Snapshot(relayhost=RELAY), "b@example.com") is RELAY


@pytest.mark.parametrize(
    ("recipient", "expected"),
    [
        ("boss@partner.example", "address"),
        ("b@partner.example", "domain"),
        ("b@sub.partner.example", "subdomains"),
        ("b@deep.sub.partner.example", "subdomains"),
        ("b@elsewhere.example", "everything"),
    ],
)
def test_the_most_exact_transport_rule_counts(recipient, expected):
    rules = {
        name: NextHop(host=rule, lookup_mx=False)
        for name, rule in {
            "boss@partner.example": "address",
            "partner.example": "domain",
            ".partner.example": "subdomains",
            "*": "everything",
        }.items()
    }

    assert hop_of(Snapshot(relayhost=RELAY, recipient_rules=rules), recipient).host == expected


def test_a_rule_without_relay_host_goes_around_the_relayhost():
    snapshot = Snapshot(relayhost=RELAY, recipient_rules={"direct.example": None})

    hop = hop_of(snapshot, "b@direct.example")

    assert (hop.host, hop.lookup_mx, hop.rule) == ("direct.example", True, "direct.example")


def test_a_sender_rule_comes_after_a_recipient_rule_and_before_the_relayhost():
    snapshot = Snapshot(relayhost=RELAY, sender_rules={"example.org": PARTNER})

    assert hop_of(snapshot, "b@x.example") is PARTNER
    assert hop_of(snapshot, "b@x.example", sender="") is RELAY


def test_next_hops_are_written_in_postfix_notation():
    assert RELAY.notation == "[relay.example.net]:587"
    assert NextHop("example.com").notation == "example.com:25"


@pytest.mark.parametrize(
    ("where", "client", "tls", "allowed"),
    [
        ("never", "192.0.2.1", False, False),
        ("never", "192.0.2.1", True, True),
        ("mynetworks", "192.0.2.1", False, True),
        ("mynetworks", "198.51.100.1", False, False),
        ("mynetworks", "198.51.100.1", True, True),
    ],
)
def test_a_password_without_tls_only_where_plaintext_auth_allows_it(where, client, tls, allowed):
    snapshot = Snapshot(plaintext_auth=where, mynetworks=networks("192.0.2.0/24"))

    assert plaintext_allowed(snapshot, client, tls=tls) is allowed
