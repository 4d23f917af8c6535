"""Header fields and what stands in them: unfolding, encoded words, addresses, dates, parameters."""

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.address_list import MAX_ADDRESSES, parse_addresses
from mailcore.message.charset import clean, decode
from mailcore.message.date import format_date, parse_date
from mailcore.message.encoded_word import decode_header
from mailcore.message.headers import header_end, headers_of, parse_headers
from mailcore.message.parameters import (
    parameter_text,
    parse_content_type,
    parse_disposition,
    parse_parameters,
    parse_token,
)
from mailcore.message.transfer import decode_base64, decode_transfer
from mailcore.message.wire import to_wire
from tests.unit.mailcore.message.corpus import own

# Header sections


def test_fields_are_found_by_name_in_any_case_and_unfolded():
    headers = parse_headers(b"Subject: one\r\n two\r\n\tthree\r\nX-A : 1\r\nx-a:2\r\n\r\n")

    assert headers.first(b"subject") == b"one two\tthree"
    assert headers.all(b"x-a") == [b"1", b"2"]
    assert headers.joined(b"x-a") == b"1, 2"
    assert (headers.first(b"none"), headers.all(b"none"), headers.joined(b"none")) == (None, [], None)
    assert list(headers)[1:] == [(b"X-A", b"1"), (b"x-a", b"2")]
    assert len(headers) == 3


def test_lines_that_are_no_field_are_left_out():
    assert [name for name, _ in headers_of(to_wire(own("no-colon.eml")))] == [b"From", b"Subject"]
    assert [name for name, _ in headers_of(to_wire(own("mbox-from.eml")))] == [b"From", b"Subject"]
    assert list(parse_headers(b": no name\r\n\r\n")) == []


def test_a_header_ends_at_its_empty_line_only():
    assert header_end(b"a: b\r\n\r\nbody") == 8
    assert header_end(b"\r\nbody") == 2
    assert header_end(b"a: b") == 4
    assert header_end(b"") == 0


# Encoded words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"plain", "plain"),
        (b"=?utf-8?Q?Gr=C3=BC=C3=9Fe?=", "Grüße"),
        (b"=?ISO-8859-1?B?R3L832U=?= und =?utf-8?q?K=C3=BCsse?=", "Grüße und Küsse"),
        (b"=?utf-8?q?a?= =?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a?==?utf-8?q?b?=", "ab"),
        (b"=?utf-8?q?a_b?= c", "a b c"),
        (b"a =?utf-8?q?b?= c", "a b c"),
        (b"(=?utf-8?q?a?=)", "(a)"),
        (b"=?utf-8*de?q?=C3=BC?=", "ü"),
        (b"=?us-ascii*en?q?x?=", "x"),
        # Broken, but common: a character split between words, spaces inside, padding missing, raw 8-bit text.
        (b"=?utf-8?B?4pw=?= =?utf-8?B?hQ==?=", "✅"),
        (b"=?utf-8?Q?two words?=", "two words"),
        (b"=?utf-8?B?R3LDvMOfZQ?=", "Grüße"),
        ("Grüße".encode(), "Grüße"),
        ("Grüße".encode("latin-1"), "Grüße"),
        (b"=?x-unknown?Q?Gr=FC=DFe?=", "Grüße"),
        (b"=?gb2312?B?xOO6w6Ot?=", "你好－"),
        (b"=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?=", "日本"),
        (b"=?utf-8?X?abc?=", "=?utf-8?X?abc?="),
        (b"=?utf-8?Q?abc", "=?utf-8?Q?abc"),
        (b"=?utf-8?Q??=", ""),
        (b"=?utf-8?B?QQ0KQmNjOiBl?=", "A  Bcc: e"),
        (b"=?utf-7?Q?+2AA-?=", "\ufffd"),
        (b"nul\0", "nul"),
    ],
)
def test_encoded_words(value, text):
    assert decode_header(value) == text


@given(st.binary(max_size=200))
def test_any_bytes_are_some_text_for_a_database(value):
    for text in (decode_header(value), decode_header(b"=?" + value), decode(value), decode(value, "utf-7")):
        text.encode("utf-8")
        assert "\0" not in text
    assert not set("\r\n") & set(decode_header(value))


@pytest.mark.parametrize(
    ("data", "label", "text"),
    [
        (b"\x80 \x93quoted\x94", "iso-8859-1", "€ “quoted”"),
        ("Привет".encode("koi8-r"), "KOI8-R", "Привет"),
        ("é".encode(), "us-ascii", "é"),
        (b"\xe9", "", "é"),
        (b"\xe9", "utf-8", "\ufffd"),
        ("日本".encode("cp932"), "Shift_JIS", "日本"),
        ("x".encode("utf-16"), "utf-16", "x"),
        (b"abc", "punycode", "abc"),
        (b"\\u0041", "unicode-escape", "\\u0041"),
        (b"616263", "hex", "616263"),
        (b"abc", "no\0such", "abc"),
        (b"abc", "../../etc/passwd", "abc"),
        (b"abc", '"utf-8"', "abc"),
        (b"abc", "x" * 10_000, "abc"),
    ],
)
def test_charsets_are_what_their_users_mean(data, label, text):
    assert decode(data, label) == text


def test_text_without_surrogates_is_clean():
    assert clean("a\ud800b\0") == "a\ufffdb"
    assert clean("😀") == "😀"


# Transfer encodings


@pytest.mark.parametrize(
    ("data", "encoding", "octets"),
    [
        (b"R3LDvMOfZQ==\r\n", "base64", "Grüße".encode()),
        (b"R3LD\r\nvMOf ZQ", "BASE64", "Grüße".encode()),
        (b"!R3!LDvMOfZQ==", "base64", "Grüße".encode()),
        (b"QUJDRA==QUJD", "base64", b"ABCD"),
        (b"Q", "base64", b""),
        (b"", "base64", b""),
        (b"a=3Db=\r\nc=ZZ", "quoted-printable", b"a=bc=ZZ"),
        (b"begin 644 f\r\n+:&5L;&\\@=V]R;&0\r\n`\r\nend\r\n", "x-uuencode", b"hello world"),
        (b"no begin", "x-uuencode", b"no begin"),
        (b"begin 644 f\n\xff\xff\xff\nend", "uuencode", b""),
        (b"x", "7bit", b"x"),
        (b"x", "x-own", b"x"),
    ],
)
def test_transfer_encodings(data, encoding, octets):
    assert decode_transfer(data, encoding) == octets


@given(st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "x-uuencode", "binary"]))
def test_damaged_encodings_never_raise(data, encoding):
    decode_transfer(data, encoding)
    decode_transfer(b"begin 644 x\n" + data, encoding)


@given(st.binary(max_size=100))
def test_base64_without_padding_is_read_whole(octets):
    import base64

    assert decode_base64(base64.b64encode(octets).rstrip(b"=")) == octets


# Addresses


@pytest.mark.parametrize(
    ("value", "entries"),
    [
        (b"a@b", [(None, None, b"a", b"b")]),
        (b"Ann <a@b>, <c@d>", [(b"Ann", None, b"a", b"b"), (None, None, b"c", b"d")]),
        (b'"Other, Ann" <a@b>', [(b"Other, Ann", None, b"a", b"b")]),
        (b'"a \\"b\\"" <a@b>', [(b'a "b"', None, b"a", b"b")]),
        (b"a@b (Ann (nested) Other)", [(b"Ann (nested) Other", None, b"a", b"b")]),
        (b"Ann Other a@b", [(b"Ann Other", None, b"a", b"b")]),
        (b'"quoted local"@b', [(None, None, b"quoted local", b"b")]),
        (b"a@[192.0.2.1]", [(None, None, b"a", b"[192.0.2.1]")]),
        (b"<@x,@y:a@b>", [(None, b"@x,@y", b"a", b"b")]),
        (b"g: a@b, c@d;", [(None, None, b"g", None), (None, None, b"a", b"b"), (None, None, b"c", b"d"), (None,) * 4]),
        (b"g: a@b", [(None, None, b"g", None), (None, None, b"a", b"b"), (None,) * 4]),
        (b"undisclosed-recipients:;", [(None, None, b"undisclosed-recipients", None), (None,) * 4]),
        (b"a b c", [(b"a b c", None, b"", b"")]),
        (b"root", [(None, None, b"root", b"")]),
        (b"Ann <a@b", [(b"Ann", None, b"a", b"b")]),
        (b"Ann <a@b, Bob <c@d>", [(b"Ann", None, b"a", b"b"), (b"Bob", None, b"c", b"d")]),
        (b"a @ b . c", [(None, None, b"a", b"b.c")]),
        (b"J. Public <a@b>", [(b"J. Public", None, b"a", b"b")]),
        (b",, ,a@b,,", [(None, None, b"a", b"b")]),
        (b"", []),
        (b"<>", []),
        (b'"@"', [(None, None, b"@", b"")]),
    ],
)
def test_address_lists(value, entries):
    assert [tuple(entry) for entry in parse_addresses(value)] == entries


def test_addresses_as_people_read_them():
    value = b'"=?utf-8?q?J=C3=B6rg?=" <j@b>, Ann <a@b>, c@d, root, g: e@f;'

    assert [entry.text for entry in parse_addresses(value) if entry.is_mailbox] == [
        "Jörg <j@b>",
        "Ann <a@b>",
        "c@d",
        "root",
        "e@f",
    ]


ADDRESS_BYTES = st.lists(
    st.sampled_from(
        [b'"', b"\\", b"<", b">", b"@", b",", b";", b":", b"(", b")", b"[", b"]", b" ", b"a", b".", b"\xff"]
    )
).map(b"".join)


@given(st.one_of(ADDRESS_BYTES, st.binary(max_size=100)))
def test_any_bytes_are_some_list_of_addresses(value):
    entries = parse_addresses(value)

    depth = 0
    for name, route, local, domain in entries:
        if domain is None:
            assert name is None and route is None
            depth += 1 if local is not None else -1
            assert depth in (0, 1)
        else:
            assert local is not None
    assert depth == 0


@pytest.mark.parametrize(
    "piece", [b"a@b,", b"(", b"((", b'"', b'"a', b"<", b"a:", b"<@a,", b"a ", b" ", b"a@", b"@", b". ", b"\\", b"["]
)
def test_long_lists_take_linear_time(piece):
    started = time.process_time()

    entries = parse_addresses(piece * (200_000 // len(piece)))

    assert time.process_time() - started < 2.0
    assert len(entries) <= MAX_ADDRESSES + 1


# Dates


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        (b"Thu, 20 Nov 2025 13:00:00 +0100", (2025, 11, 20, 12, 0, 0)),
        (b"20 Nov 2025 12:00 GMT", (2025, 11, 20, 12, 0, 0)),
        (b"Thu, 20 Nov 2025 07:00:00 EST", (2025, 11, 20, 12, 0, 0)),
        (b"Thu, 20 Nov 25 12:00:00 -0000 (a comment)", (2025, 11, 20, 12, 0, 0)),
        (b"Sun, 1 Feb 70 00:00:00 +0000", (1970, 2, 1, 0, 0, 0)),
        (b"1 Feb 103 00:00:00", (2003, 2, 1, 0, 0, 0)),
        (b"Thu,\t13\tFeb 1969 23:32 -0330", (1969, 2, 14, 3, 2, 0)),
        (b"Mon, 31 Dec 1998 23:59:60 +0000", (1998, 12, 31, 23, 59, 59)),
        (b"20-Nov-2025 12:00:00 +0000", (2025, 11, 20, 12, 0, 0)),
        (b"Thu Nov 20 12:00:00 2025", (2025, 11, 20, 12, 0, 0)),
        (b"Thu Nov 20 12:00:00 CET 2025", (2025, 11, 20, 11, 0, 0)),
        (b"Thursday, 20 November 2025 12:00:00 +0000", (2025, 11, 20, 12, 0, 0)),
        (b"Thu, 20 Nov 2025 12:00:00 XYZ", (2025, 11, 20, 12, 0, 0)),
    ],
)
def test_dates_of_all_ages(value, moment):
    assert parse_date(value) == datetime(*moment, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"yesterday",
        b"31 Feb 2025 12:00:00 +0000",
        b"20 Foo 2025 12:00:00 +0000",
        b"20 Nov 2025 25:00:00 +0000",
        b"20 Nov 2025 12:00:00 +9999",
        b"1 Jan 0000 12:00:00 +0000",
        b"31 Dec 9999 23:59:59 -1200",
        b"1 Jan 0001 00:00:00 +1200",
    ],
)
def test_no_date_is_none(value):
    assert parse_date(value) is None


@given(st.datetimes(min_value=datetime(1950, 1, 1), max_value=datetime(2999, 1, 1), timezones=st.timezones()))
def test_every_date_we_write_is_read_back(moment):
    # Old local mean times have seconds in their offset; mail has not.
    if moment.utcoffset().total_seconds() % 60 == 0:
        assert parse_date(format_date(moment).encode()) == moment.replace(microsecond=0).astimezone(UTC)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_date_or_none(value):
    parse_date(value)
    parse_date(b"20 Nov 2025 " + value)


# Parameters


def test_media_types_and_their_parameters():
    assert parse_content_type(b'Text/HTML; Charset="utf-8"; format=flowed (plain); x="a\\"b"') == (
        "text",
        "html",
        (("charset", b"utf-8"), ("format", b"flowed"), ("x", b'a"b')),
    )
    assert parse_content_type(b"text") is None
    assert parse_content_type(b"text/plain") == ("text", "plain", ())
    assert parse_disposition(b"ATTACHMENT") == ("attachment", ())
    assert parse_disposition(b"; filename=x") is None
    assert parse_token(b" 7BIT (really)") == "7bit"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"; name=two words.png; x=y", "two words.png"),
        (b';name="a;b"', "a;b"),
        (b'; name="unterminated', "unterminated"),
        (b"; junk; name=x", "x"),
        (b"; name = spaced", "spaced"),
        (b"; name=first; name=second", "first"),
        (b"; name*=utf-8'de'%C3%BC.txt", "ü.txt"),
        (b"; name*0=a; name*1=b; name*2=c", "abc"),
        (b"; name*1=b; name*0=a", "ab"),
        (b"; name*0*=iso-8859-1''%FC; name*1*=%DF; name*2=%25", "üß%25"),
        (b"; name*=no-quotes", "no-quotes"),
        (b'; name="=?utf-8?q?=C3=BC?="', "ü"),
        (b"; name=plain; name*=utf-8''better", "better"),
        (b"; name*x=y; other=z", None),
        (b"", None),
    ],
)
def test_parameter_values(value, text):
    assert parameter_text(parse_parameters(value), "name") == text


@given(
    st.one_of(
        st.binary(max_size=100),
        st.lists(st.sampled_from([b";", b"=", b'"', b"*", b"0", b"a", b"'", b"%", b"\\", b" "])).map(b"".join),
    )
)
def test_any_bytes_are_some_parameters(value):
    parameters = parse_parameters(b";" + value)

    assert len({name for name, _ in parameters}) == len(parameters)
    for name, _ in parameters:
        parameter_text(parameters, name.rstrip("*"))
