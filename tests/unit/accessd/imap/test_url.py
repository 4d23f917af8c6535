"""IMAP URLs of messages (RFC 5092)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.grammar.url import BadUrl, MessageUrl, parse_url, quote_url
from mailcore.message.section import Section


@pytest.mark.parametrize(
    ("url", "meant"),
    [
        (b"/INBOX/;UID=20", MessageUrl("INBOX", None, 20)),
        (b";UID=20", MessageUrl(None, None, 20)),
        (b"/inbox;UIDVALIDITY=785799047/;UID=113330", MessageUrl("INBOX", 785799047, 113330)),
        (
            b"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.5.9",
            MessageUrl("Drafts", 385759045, 20, Section((1, 5, 9))),
        ),
        (b"/a/b/;UID=1/;SECTION=HEADER", MessageUrl("a/b", None, 1, Section((), "HEADER"))),
        (b"/Gr%C3%BC%C3%9Fe%20x/;UID=1/;SECTION=2.MIME", MessageUrl("Grüße x", None, 1, Section((2,), "MIME"))),
        (b";UID=1/;SECTION=TEXT/;PARTIAL=0.1024", MessageUrl(None, None, 1, Section((), "TEXT"), (0, 1024))),
        (b";UID=1/;PARTIAL=7", MessageUrl(None, None, 1, Section(), (7, None))),
        (
            b";UID=1/;SECTION=HEADER.FIELDS%20(From%20To)",
            MessageUrl(None, None, 1, Section((), "HEADER.FIELDS", ("From", "To"))),
        ),
    ],
)
def test_what_is_meant(url: bytes, meant: MessageUrl) -> None:
    assert parse_url(url) == meant


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"foo bar",
        b"/INBOX",
        b"/INBOX/",
        b"/INBOX/;UID=0",
        b"/INBOX/;UID=x",
        b"INBOX/;UID=1",
        b"imap://localhost/INBOX/;UID=1",
        b"/INBOX;UIDVALIDITY=0/;UID=1",
        b"/INBOX/;UID=1/;SECTION=",
        b"/INBOX/;UID=1/;SECTION=9.FOO",
        b"/INBOX/;UID=1/;SECTION=1]",
        b"/INBOX/;UID=1/;PARTIAL=1.0",
        b"/%FF/;UID=1",
        b"/%zz/;UID=1",
        b"/INBOX/;UID=1;URLAUTH=anonymous",
    ],
)
def test_what_names_no_message(url: bytes) -> None:
    with pytest.raises(BadUrl):
        parse_url(url)


@given(st.binary(max_size=60))
def test_any_octets_are_an_url_or_not(noise: bytes) -> None:
    for url in (noise, b"/INBOX/;UID=1/;SECTION=" + noise):
        try:
            parse_url(url)
        except BadUrl:
            assert b"]" not in quote_url(url)
