"""Addresses: what is one, and under which key it is found."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.address import Address, AddressSyntaxError, parse_domain, parse_literal


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("Alice@Example.ORG", "alice@example.org"),
        ('"alice"@example.org', "alice@example.org"),
        ('"with space"@example.org', '"with space"@example.org'),
        ("o'brien+tag@example.org", "o'brien+tag@example.org"),
        ("用户@例子.测试", "用户@xn--fsqu00a.xn--0zwm56d"),
        ("postmaster@[192.0.2.1]", "postmaster@[192.0.2.1]"),
        ("x@[IPv6:2001:DB8::1]", "x@[ipv6:2001:db8::1]"),
        ("root@localhost", "root@localhost"),
    ],
)
def test_an_address_is_found_under_its_key(text, key):
    assert Address.parse(text).key == key
    assert str(Address.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "", "alice", "@example.org", "alice@", "a..b@example.org", ".a@example.org", "a.@example.org",
        "a b@example.org", "a@-example.org", "a@example..org", "a@exa mple.org", "a@[300.1.1.1]", "a@[IPv6:zz]",
        "a\r\nRCPT TO:<b@c>@example.org", 'a"b@example.org', '"a@example.org', "a@" + "b" * 64 + ".org",
        "l" * 65 + "@example.org", "a@b/c", "a\0@example.org", "a@example.org\n",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused_with_a_sentence(text):
    with pytest.raises(AddressSyntaxError) as refused:
        Address.parse(text)

    assert str(refused.value).endswith(".")


@given(st.text(max_size=80))
def test_any_text_is_an_address_or_an_address_error(text):
    try:
        address = Address.parse(text)
    except AddressSyntaxError:
        return

    assert Address.parse(str(address)) == address
    assert "\r" not in text and "\n" not in text


@pytest.mark.parametrize(
    ("text", "delimiters", "base", "detail"),
    [
        ("alice+shop@example.org", "+", "alice@example.org", "shop"),
        ("alice+a+b@example.org", "+", "alice@example.org", "a+b"),
        ("alice-x+y@example.org", "+-", "alice@example.org", "x+y"),
        ("alice@example.org", "+", "alice@example.org", ""),
        ("+alice@example.org", "+", "+alice@example.org", ""),
        ("alice+shop@example.org", "", "alice+shop@example.org", ""),
    ],
)
def test_the_detail_is_cut_at_the_first_delimiter(text, delimiters, base, detail):
    address, found = Address.parse(text).split_detail(delimiters)

    assert (str(address), found) == (base, detail)


def test_domains_are_lower_case_ascii():
    assert parse_domain("EXAMPLE.Org") == "example.org"
    assert parse_domain("Bücher.example") == "xn--bcher-kva.example"


def test_an_address_literal_gives_its_ip_address():
    assert str(parse_literal("[192.0.2.1]")) == "192.0.2.1"
    assert str(parse_literal("[IPv6:2001:db8::1]")) == "2001:db8::1"
