"""Texts that SEARCH compares, out of cached ENVELOPEs."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.mailbox import search_text
from mailcore.message.headers import headers_of
from mailcore.message.imap_envelope import envelope

HEADER = (
    b'Date: Wed, 17 Jul 1996 23:23:25 -0700\r\nSubject: a "quoted" \\ (thing)\r\n'
    b'From: "Bob {5}" <bob@x.test>\r\nTo: friends: ann@x.test, =?utf-8?q?J=C3=BCrgen?= <j@y.test>;\r\n'
    b"Cc: gr\xfcn@x.test\r\n\r\n"
)


def test_an_envelope_is_read_back():
    values = search_text.read_envelope(envelope(headers_of(HEADER)))

    assert len(values) == 10
    assert values[1] == b'a "quoted" \\ (thing)'
    assert values[2] == [[b"Bob {5}", None, b"bob", b"x.test"]]
    assert values[7] is None


@pytest.mark.parametrize(
    ("field", "wanted", "expected"),
    [
        ("from", "bob {5} <bob@x", True),
        ("from", "ann", False),
        ("to", "jürgen <j@y.test>", True),
        ("to", "friends", True),
        ("subject", '"quoted" \\ (', True),
        ("cc", "x.test", True),
        ("bcc", "x.test", False),
    ],
)
def test_fields_of_the_envelope(field, wanted, expected):
    assert search_text.envelope_contains(envelope(headers_of(HEADER)), field, search_text.fold(wanted)) is expected


@pytest.mark.parametrize(
    ("value", "day"),
    [
        (b"Wed, 17 Jul 1996 23:23:25 -0700", date(1996, 7, 17)),
        (b"1 feb 21 10:00 GMT", date(2021, 2, 1)),
        (b"31 Feb 2021", None),
        (b"yesterday", None),
    ],
)
def test_the_day_a_message_was_sent_is_the_one_written(value, day):
    assert search_text.sent_day(envelope(headers_of(b"Date: " + value + b"\r\n\r\n"))) == day


@given(st.binary(max_size=200))
def test_any_header_makes_an_envelope_that_is_read(junk):
    values = search_text.read_envelope(envelope(headers_of(b"Subject: " + junk + b"\r\n\r\n")))

    assert len(values) == 10


@pytest.mark.parametrize(("one", "other"), [("Straße", "STRAßE"), ("é", "e\u0301"), ("ÀB", "àb"), ("plain", "PLAIN")])
def test_case_and_composition_do_not_matter(one, other):
    assert search_text.fold(one) == search_text.fold(other)
