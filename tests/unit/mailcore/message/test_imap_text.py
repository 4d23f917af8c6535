"""ENVELOPE and BODYSTRUCTURE: what a strict client reads from the bytes we answer with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.body_structure import body, body_structure
from mailcore.message.headers import headers_of
from mailcore.message.imap_envelope import envelope
from mailcore.message.imap_text import nstring, string
from mailcore.message.structure import parse_structure
from mailcore.message.wire import to_wire
from tests.unit.mailcore.message.corpus import messages, own
from tests.unit.mailcore.message.imap_reader import check_body, check_envelope, read
from tests.unit.mailcore.message.test_structure import ANY_MAIL


def envelope_of(data):
    return read(envelope(headers_of(to_wire(data))))


def structure_of(data):
    return read(body_structure(parse_structure(to_wire(data))))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b"", b'""'),
        (b"plain", b'"plain"'),
        (b'say "hi" \\o/', b'"say \\"hi\\" \\\\o/"'),
        (b"gr\xc3\xbc\xc3\x9fe", b"{7}\r\ngr\xc3\xbc\xc3\x9fe"),
        (b"two\r\nlines", b"{10}\r\ntwo\r\nlines"),
        (b"nul\0s", b'"nuls"'),
        (b"8\xff\0", b"{2}\r\n8\xff"),
        (b"tab\tand bell\x07", b'"tab\tand bell\x07"'),
    ],
)
def test_a_string_is_quoted_where_it_can_be(value, text):
    assert string(value) == nstring(value) == text


@given(st.binary(max_size=100))
def test_a_client_reads_every_string_back(value):
    assert read(string(value)) == value.replace(b"\0", b"")
    assert read(nstring(None)) is None


def test_the_envelope_of_an_ordinary_message():
    ann = [[b"Ann Other", None, b"ann", b"example.net"]]

    assert envelope_of(own("plain.eml")) == [
        b"Thu, 20 Nov 2025 13:00:00 +0100",
        b"Lunch",
        ann,
        ann,
        ann,
        [[b"Builder, Bob", None, b"bob", b"example.org"], [None, None, b"carol", b"example.org"]],
        [[b"Dave", None, b"dave", b"example.org"]],
        None,
        b"<lunch-0@example.net>",
        b"<lunch-1@example.net>",
    ]


def test_the_envelope_text_itself():
    data = b'Subject: =?utf-8?q?=C3=BC?= "x"\nFrom: a@b\nTo: list:a@b;\n\n'

    assert envelope(headers_of(to_wire(data))) == (
        b'(NIL "=?utf-8?q?=C3=BC?= \\"x\\"" ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) ((NIL NIL "a" "b")) '
        b'((NIL NIL "list" NIL)(NIL NIL "a" "b")(NIL NIL NIL NIL)) NIL NIL NIL NIL)'
    )


def test_the_envelope_of_obsolete_syntax():
    date, subject, sent_from, sender, reply_to, to, cc, bcc, _, _ = envelope_of(own("addresses.eml"))

    assert date == b"Thu,      13        Feb          1969      23:32               -0330 (Newfoundland Time)"
    assert subject == b""
    assert sent_from == [[b"Pete", None, b"pete", b"silly.test"]]
    assert sender == [[None, b"@node.test,@b.test", b"mary", b"example.net"]]
    assert reply_to == [[b"Joe Q. Public", None, b"john.q.public", b"example.com"]]
    assert to == [
        [None, None, b"A Group", None],
        [b"Chris Jones", None, b"c", b"public.example"],
        [None, None, b"joe", b"example.org"],
        [b"John", None, b"jdoe", b"one.test"],
        [None, None, None, None],
    ]
    assert cc == [
        [None, None, b"Hidden recipients", None],
        [None, None, None, None],
        [None, None, b"second", b"example.org"],
    ]
    assert bcc == [
        [None, None, b"root", b""],
        [b"Foo Bar", None, b"", b""],
        [None, None, b"a@b", b"c"],
        [None, None, b"unterminated", b""],
    ]


def test_an_empty_message_has_an_envelope_of_nothing():
    assert envelope(headers_of(b"")) == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def test_eight_bit_headers_become_literals():
    _, subject, sent_from, _, _, to, _, _, _, message_id = envelope_of(own("eight-bit.eml"))

    assert subject == b"Gr\xfc\xdfe, unencoded"
    assert sent_from == [[b"J\xf6rg", None, b"joerg", b"example.net"]]
    assert to == [["Боб".encode(), None, b"bob", b"example.org"]]
    assert message_id == b"<ab@example.net>"


def test_the_structure_text_of_a_plain_message():
    root = parse_structure(to_wire(own("plain.eml")))

    assert body(root) == (b'("text" "plain" ("charset" "utf-8" "format" "flowed") NIL NIL "8bit" 27 3)')
    assert body_structure(root) == (
        b'("text" "plain" ("charset" "utf-8" "format" "flowed") NIL NIL "8bit" 27 3 NIL NIL NIL NIL)'
    )


def test_a_text_that_does_not_name_its_charset_is_shown_as_us_ascii():
    root = parse_structure(b"Content-Type: TEXT/html; format=flowed\r\n\r\n<p>\r\n")

    assert read(body(root))[:3] == [b"text", b"html", [b"format", b"flowed", b"charset", b"us-ascii"]]
    assert read(body(parse_structure(b"Content-Type: image/png\r\n\r\nx")))[2] is None


def test_the_structure_of_parts_in_parts():
    related, pdf, subtype, parameters, disposition, language, location = structure_of(own("newsletter.eml"))

    assert (subtype, parameters, disposition, language, location) == (
        b"mixed",
        [b"boundary", b"outer"],
        None,
        None,
        None,
    )
    assert pdf == [
        b"application", b"pdf", [b"name", b"menu.pdf"], None, b"The menu", b"base64", 12,
        b"Q2hlY2sgSW50ZWdyaXR5IQ==",
        [b"attachment", [b"filename", b"../../menu.pdf", b"size", b"11"]],
        [b"de", b"en"],
        b"https://example.com/menu.pdf",
    ]  # fmt: skip
    alternative, gif = related[:2]
    assert related[2] == b"related"
    assert gif[:6] == [b"image", b"gif", [b"name", b"cake.gif"], b"<cake@example.com>", None, b"base64"]
    assert [part[1] for part in alternative[:2]] == [b"plain", b"html"]


def test_the_structure_of_a_message_in_a_message():
    root = structure_of(own("forwarded.eml"))

    _, first, second = root[:3]
    assert first[:2] == [b"message", b"rfc822"]
    assert first[7][1] == b"inner"
    assert first[7][2] == [[b'Inner "quoted" name', None, b"inner", b"example.com"]]
    assert first[8][2] == b"alternative"
    assert (first[9], first[11]) == (15, [b"attachment", None])
    assert second[7][1] == b"plain one"
    assert second[8][:8] == [b"text", b"plain", [b"charset", b"us-ascii"], None, None, b"7bit", 21, 0]


def test_long_and_foreign_file_names_are_given_as_they_were_sent():
    parts = structure_of(own("file-names.eml"))

    # The middle piece was not marked as encoded: its percent sign is one.
    assert parts[1][8][1] == [b"filename*", b"utf-8'de'Jahres%C3%BCbersicht%25202025.xlsx"]
    assert parts[2][2] == [b"name", b"=?iso-8859-1?Q?Gr=FC=DFe.zip?="]
    assert parts[3][8][1] == [b"filename", b"two words.png"]
    assert parts[4][8] == [b"attachment", [b"filename", "invoice\u202egpj.exe".encode()]]


@pytest.mark.parametrize("name", ["boundary-missing.eml", "boundary-wrong.eml"])
def test_a_multipart_without_parts_is_shown_with_an_empty_one(name):
    root = parse_structure(to_wire(own(name)))

    assert read(body(root))[0] == [b"text", b"plain", [b"charset", b"us-ascii"], None, None, b"7bit", 0, 0]
    check_body(structure_of(own(name)), extended=True)


def test_one_language_is_a_string_and_comments_are_no_encoding():
    data = b"Content-Language: de\nContent-Transfer-Encoding: (why) \n\nx"

    root = structure_of(data)

    assert root[5] == b"7bit"
    assert root[10] == b"de"


def test_the_whole_corpus_has_valid_envelopes_and_structures():
    for path, data in messages():
        check_all(to_wire(data), path)


@given(ANY_MAIL)
def test_any_bytes_have_valid_envelopes_and_structures(data):
    check_all(data, "generated")


def check_all(data, name):
    root = parse_structure(data)
    check_envelope(read(envelope(root.headers)))
    leaves = check_body(read(body_structure(root)), extended=True)
    assert leaves == check_body(read(body(root)), extended=False) >= 1, name


SPECIALS = [
    b'"',
    b"\\",
    b"<",
    b">",
    b"@",
    b",",
    b";",
    b":",
    b"(",
    b")",
    b"[",
    b"]",
    b" ",
    b"a",
    b".",
    b"\xff",
    b"=?",
    b"?=",
]
HEADER_VALUES = st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(SPECIALS), max_size=40).map(b"".join))
FIELD_NAMES = st.sampled_from(
    [b"From", b"To", b"Subject", b"Content-Type", b"Content-Disposition", b"Content-Language"]
)


@given(HEADER_VALUES, FIELD_NAMES)
def test_any_value_of_any_field_gives_valid_text(value, name):
    check_all(to_wire(name + b": " + value.replace(b"\n", b" ") + b"\n\nbody\n"), name)
    check_all(to_wire(b"Content-Type: text/plain; x=" + value.replace(b"\n", b" ") + b"\n\nbody\n"), name)
