"""Which hosts are tried, over a real DNS server on loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mailcore.config.snapshot import NextHop
from mailcore.relay.errors import NoRoute
from mailcore.relay.mx import Resolver, Target, resolve_targets
from tests.fakes.dns_server import SERVFAIL, SILENCE, FakeDns

ZONE = """
two.test. 60 IN MX 20 backup.two.test.
two.test. 60 IN MX 10 first.two.test.
first.two.test. 60 IN A 192.0.2.1
first.two.test. 60 IN AAAA 2001:db8::1
backup.two.test. 60 IN A 192.0.2.2
plain.test. 60 IN A 192.0.2.3
null.test. 60 IN MX 0 .
loop.test. 60 IN MX 10 better.loop.test.
loop.test. 60 IN MX 20 mail.ours.test.
loop.test. 60 IN MX 30 worse.loop.test.
better.loop.test. 60 IN A 192.0.2.4
worse.loop.test. 60 IN A 192.0.2.5
onlyus.test. 60 IN MX 10 Mail.Ours.test.
dangling.test. 60 IN MX 10 nowhere.test.
half.test. 60 IN MX 10 silent.test.
half.test. 60 IN MX 20 first.two.test.
empty.test. 60 IN TXT "nothing else"
equal.test. 60 IN MX 10 a.equal.test.
equal.test. 60 IN MX 10 b.equal.test.
a.equal.test. 60 IN A 192.0.2.6
b.equal.test. 60 IN A 192.0.2.7
"""
OWN = frozenset({"mail.ours.test"})


@pytest.fixture(scope="module")
def resolver() -> Iterator[Resolver]:
    broken = {"servfail.test.": SERVFAIL, "silent.test.": SERVFAIL, "slow.test.": SILENCE}
    with FakeDns(ZONE, broken) as dns:
        yield Resolver(dns.address, lookup_s=1.0)


def targets_of(domain: str, resolver: Resolver) -> list[Target]:
    return resolve_targets(NextHop(domain, 25), resolver, OWN)


def refusal(domain: str, resolver: Resolver) -> str:
    with pytest.raises(NoRoute) as error:
        targets_of(domain, resolver)
    return f"{error.value.reply.code} {error.value.reply.enhanced}"


def test_lower_preference_comes_first_with_all_its_addresses(resolver):
    assert [str(target) for target in targets_of("two.test", resolver)] == [
        "first.two.test[192.0.2.1]:25",
        "first.two.test[2001:db8::1]:25",
        "backup.two.test[192.0.2.2]:25",
    ]


def test_without_mx_the_host_itself_takes_mail(resolver):
    assert targets_of("plain.test", resolver) == [Target("plain.test", "192.0.2.3", 25)]


def test_equal_preferences_are_shuffled(resolver):
    firsts = {targets_of("equal.test", resolver)[0].host for _ in range(50)}

    assert firsts == {"a.equal.test", "b.equal.test"}


def test_null_mx_is_final(resolver):
    assert refusal("null.test", resolver) == "556 5.1.10"


def test_unknown_domain_is_final(resolver):
    assert refusal("nonexistent.test", resolver) == "550 5.1.2"


def test_a_domain_without_any_address_is_final(resolver):
    assert refusal("empty.test", resolver) == "550 5.4.4"
    assert refusal("dangling.test", resolver) == "550 5.4.4"


@pytest.mark.parametrize("domain", ["servfail.test", "slow.test"])
def test_what_dns_does_not_say_is_for_later(resolver, domain):
    assert refusal(domain, resolver) == "451 4.4.3"


def test_a_host_whose_address_is_not_known_now_is_passed_over(resolver):
    assert targets_of("half.test", resolver)[0].host == "first.two.test"


def test_only_hosts_better_than_ourselves_are_tried(resolver):
    assert [target.host for target in targets_of("loop.test", resolver)] == ["better.loop.test"]


def test_mail_that_would_come_back_to_us_is_refused(resolver):
    assert refusal("onlyus.test", resolver) == "554 5.4.6"


@pytest.mark.parametrize(
    ("host", "address"),
    [("192.0.2.9", "192.0.2.9"), ("[192.0.2.9]", "192.0.2.9"), ("[IPv6:2001:db8::9]", "2001:db8::9")],
)
def test_address_literals_need_no_dns(resolver, host, address):
    hop = NextHop(host, 2525, lookup_mx=host.startswith("["))

    assert resolve_targets(hop, resolver) == [Target(host, address, 2525)]


def test_brackets_mean_no_mx_lookup(resolver):
    hop = NextHop("two.test", 587, lookup_mx=False)

    with pytest.raises(NoRoute) as error:
        resolve_targets(hop, resolver)

    assert error.value.reply.is_temporary  # a relay host that is not found is our mistake, not the message's


def test_answers_are_cached():
    with FakeDns(ZONE) as dns:
        resolver = Resolver(dns.address)

        for _ in range(3):
            targets_of("plain.test", resolver)

        assert dns.questions.count("plain.test. A") == 1
