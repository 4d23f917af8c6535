"""Names of clients from a real name server."""

import asyncio
import time

import dns.resolver
import pytest
import uvloop

from smtpd.client_names import Found
from smtpd.reverse_dns import NOT_THERE_S, ReverseDns
from tests.fakes.dns_server import SERVFAIL, SILENCE, FakeDns

ZONE = """
1.2.0.192.in-addr.arpa. 600 IN PTR mail.example.org.
mail.example.org. 400 IN A 192.0.2.1
mail.example.org. 400 IN A 192.0.2.7
2.2.0.192.in-addr.arpa. 600 IN PTR victim.example.com.
victim.example.com. 600 IN A 198.51.100.1
3.2.0.192.in-addr.arpa. 600 IN PTR nowhere.example.org.
4.2.0.192.in-addr.arpa. 600 IN PTR b.example.org.
4.2.0.192.in-addr.arpa. 600 IN PTR a.example.org.
a.example.org. 600 IN A 192.0.2.44
b.example.org. 600 IN A 192.0.2.4
5.2.0.192.in-addr.arpa. 600 IN PTR broken.example.org.
6.2.0.192.in-addr.arpa. 600 IN PTR text.example.org.
text.example.org. 600 IN TXT "no address"
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. 60 IN PTR six.example.org.
six.example.org. 60 IN AAAA 2001:db8::1
six.example.org. 60 IN A 192.0.2.9
9.2.0.192.in-addr.arpa. 60 IN CNAME 9.delegated.example.org.
10.2.0.192.in-addr.arpa. 60 IN PTR evil\\032name.example.org.
"""
BROKEN = {
    "broken.example.org.": SERVFAIL,
    "20.2.0.192.in-addr.arpa.": SERVFAIL,
    "21.2.0.192.in-addr.arpa.": SILENCE,
}


@pytest.fixture(scope="module")
def server():
    with FakeDns(ZONE, BROKEN) as server:
        yield server


@pytest.fixture
def look_up(server):
    def look_up(address, **limits):
        return uvloop.run(ReverseDns(server.address, **limits)(address))

    return look_up


@pytest.mark.parametrize(
    ("address", "name", "kept_s"),
    [
        ("192.0.2.1", "mail.example.org", 400),
        ("2001:db8::1", "six.example.org", 60),
        ("192.0.2.4", "b.example.org", 600),
    ],
)
def test_a_name_that_leads_back_to_the_address(look_up, address, name, kept_s):
    assert look_up(address) == Found(name, kept_s)


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.2",  # somebody else's name
        "192.0.2.3",  # a name that does not exist
        "192.0.2.6",  # a name without an address
        "192.0.2.9",  # an alias that leads nowhere
        "192.0.2.10",  # no host name
        "192.0.2.99",  # no PTR record
        "2001:db8::2",
    ],
)
def test_an_address_without_a_verified_name(look_up, address):
    assert look_up(address) == Found("unknown", NOT_THERE_S)


@pytest.mark.parametrize("address", ["192.0.2.20", "192.0.2.5"])
def test_what_cannot_be_found_out_is_asked_again_soon(look_up, address):
    assert look_up(address) == Found("unknown", 60.0)


def test_silence_is_not_waited_for(look_up):
    begun = time.monotonic()

    found = look_up("192.0.2.21", lookup_s=0.3)

    assert found == Found("unknown", 60.0)
    assert time.monotonic() - begun < 2


def test_only_records_of_the_clients_family_are_asked_for(server, look_up):
    server.questions.clear()

    look_up("192.0.2.1")

    assert server.questions == ["1.2.0.192.in-addr.arpa. PTR", "mail.example.org. A"]


def test_a_machine_without_name_servers(monkeypatch):
    def unconfigured(self, file="/etc/resolv.conf"):
        raise dns.resolver.NoResolverConfiguration

    monkeypatch.setattr(dns.resolver.BaseResolver, "read_resolv_conf", unconfigured)

    assert asyncio.run(ReverseDns()("192.0.2.1")) == Found("unknown", NOT_THERE_S)


def test_nobody_listens_at_the_name_server(free_port):
    assert asyncio.run(ReverseDns(f"127.0.0.1:{free_port()}", lookup_s=0.5)("192.0.2.1")) == Found("unknown", 60.0)
