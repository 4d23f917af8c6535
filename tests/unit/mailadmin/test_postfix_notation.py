"""Next hops in Postfix's notation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailadmin.transport.postfix_notation import NextHopNotation, NotationError, parse_next_hop


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("example.org", NextHopNotation("example.org")),
        ("Example.ORG.", NextHopNotation("example.org")),
        ("[mx.example.org]", NextHopNotation("mx.example.org", lookup_mx=False)),
        ("[mx.example.org]:587", NextHopNotation("mx.example.org", 587, lookup_mx=False)),
        ("mx.example.org:587", NextHopNotation("mx.example.org", 587)),
        ("[192.0.2.1]:2525", NextHopNotation("192.0.2.1", 2525, lookup_mx=False)),
        ("192.0.2.1", NextHopNotation("192.0.2.1", lookup_mx=False)),
        ("[2001:DB8::1]:25", NextHopNotation("2001:db8::1", 25, lookup_mx=False)),
        ("[ipv6:2001:db8::1]", NextHopNotation("2001:db8::1", lookup_mx=False)),
        ("2001:db8::1", NextHopNotation("2001:db8::1", lookup_mx=False)),
        ("smtp:[mx.example.org]:submission", NextHopNotation("mx.example.org", 587, lookup_mx=False)),
        ("relay:example.org", NextHopNotation("example.org")),
        ("smtps:[mx.example.org]", NextHopNotation("mx.example.org", 465, lookup_mx=False, implicit_tls=True)),
        ("smtp:587", NextHopNotation("smtp", 587)),
        ("bücher.example:smtp", NextHopNotation("xn--bcher-kva.example", 25)),
    ],
)
def test_notation_is_read(typed, meant):
    assert parse_next_hop(typed) == meant


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", "[mx.example.org", "[mx.example.org]587", "[a]:b:c", "host:", "host:0", "host:65536", "host:http",
        "ho st", "-host.example", "host..example", "[]", "[]:25", "999.1.1.1", "[1:2:3]", "smtp:", "a@b.example",
        "host/25", "host:٢٥", "x" * 254,
    ],
)  # fmt: skip
def test_what_is_no_next_hop_is_refused_with_a_sentence(typed):
    with pytest.raises(NotationError, match=r"\w"):
        parse_next_hop(typed)


HOSTS = st.one_of(
    st.from_regex(r"[a-z][a-z0-9]{0,10}(\.[a-z][a-z0-9]{0,10}){1,3}", fullmatch=True), st.ip_addresses().map(str)
)


@given(HOSTS, st.integers(1, 65535), st.booleans())
def test_a_shown_next_hop_can_be_typed(host, port, brackets):
    meant = parse_next_hop(f"[{host}]:{port}" if brackets or ":" in host else f"{host}:{port}")

    assert parse_next_hop(str(meant)) == meant
