"""Which name a client may be called by: what is asked, which answers are usable, which are believed, for how long."""

import pytest

from smtpd.client_name import LOCALHOST, UNKNOWN, candidates, is_confirmed, keep_s, name_without_dns


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("asks_for_private", [False, True])
def test_this_machine_is_never_looked_up(address, asks_for_private):
    assert name_without_dns(address, asks_for_private=asks_for_private) == LOCALHOST


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("127.0.0.2", LOCALHOST),
        ("10.1.2.3", UNKNOWN),
        ("192.168.7.8", UNKNOWN),
        ("172.31.0.9", UNKNOWN),
        ("100.64.0.1", UNKNOWN),
        ("169.254.1.1", UNKNOWN),
        ("fe80::1", UNKNOWN),
        ("fd00::1", UNKNOWN),
        ("2001:db8::1", UNKNOWN),
    ],
)
def test_only_a_name_server_of_ones_own_is_asked_for_private_addresses(address, name):
    assert name_without_dns(address, asks_for_private=False) == name
    assert name_without_dns(address, asks_for_private=True) is None


@pytest.mark.parametrize("address", ["8.8.8.8", "2a00:1450:4001::1"])
def test_public_addresses_are_looked_up(address):
    assert name_without_dns(address, asks_for_private=False) is None


@pytest.mark.parametrize("address", ["unknown", "", "/run/socket"])
def test_what_is_no_address_has_no_name(address):
    assert name_without_dns(address, asks_for_private=True) == UNKNOWN


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("mail.example.org.", "mail.example.org"),
        ("Mail.Example.ORG", "mail.example.org"),
        ("a_b.example.org.", "a_b.example.org"),
        ("xn--bcher-kva.example.", "xn--bcher-kva.example"),
        ("1-2-3.dsl.example.net.", "1-2-3.dsl.example.net"),
    ],
)
def test_names_as_hosts_have_them(target, name):
    assert candidates([target]) == (name,)


@pytest.mark.parametrize(
    "target",
    [
        ".",
        "",
        "localhost.",
        "unknown.",
        "192.0.2.1.",
        "host.1234.",
        "-a.example.org.",
        "a-.example.org.",
        "a..example.org.",
        "a b.example.org.",
        "a]\\010.example.org.",
        "bücher.example.",
        "mail.example.org[198.51.100.1]",
        f"{'a' * 64}.example.org.",
        ".".join(["a" * 60] * 5),
    ],
)
def test_what_is_no_host_name_is_not_used(target):
    assert candidates([target]) == ()


def test_of_many_names_a_few_are_tried_always_the_same():
    many = [f"v{number}.example.org." for number in range(9, 0, -1)]

    assert candidates(many) == candidates(reversed(many)) == ("v1.example.org", "v2.example.org", "v3.example.org")


def test_the_same_name_twice_is_one():
    assert candidates(["a.example.org.", "A.example.org"]) == ("a.example.org",)


@pytest.mark.parametrize(
    ("address", "found", "confirmed"),
    [
        ("192.0.2.1", ["192.0.2.9", "192.0.2.1"], True),
        ("192.0.2.1", ["192.0.2.9"], False),
        ("192.0.2.1", [], False),
        ("2001:db8::1", ["2001:0db8:0:0:0:0:0:1"], True),
        ("2001:db8::1", ["2001:db8::2"], False),
        ("192.0.2.1", ["::ffff:192.0.2.1"], True),
        ("192.0.2.1", ["nonsense"], False),
    ],
)
def test_a_name_is_believed_when_it_leads_back(address, found, confirmed):
    assert is_confirmed(address, found) is confirmed


@pytest.mark.parametrize(("ttl_s", "kept_s"), [(0, 60.0), (300, 300.0), (86_400, 3600.0)])
def test_how_long_an_answer_is_kept(ttl_s, kept_s):
    assert keep_s(ttl_s) == kept_s
