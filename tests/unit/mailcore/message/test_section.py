"""mailcore.message.section: which bytes BODY[...] means (RFC 3501 section 6.4.5)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.headers import headers_of
from mailcore.message.section import Section, cut, find_part, header_fields, locate, needs_structure
from mailcore.message.structure import parse_structure, walk
from mailcore.message.wire import to_wire
from tests.unit.mailcore.message.corpus import messages, own
from tests.unit.mailcore.message.test_structure import ANY_MAIL


def section(text, *fields):
    """Section of "1.2.HEADER" and the like."""
    numbers = []
    pieces = text.split(".") if text else []
    while pieces and pieces[0].isdigit():
        numbers.append(int(pieces.pop(0)))
    return Section(tuple(numbers), ".".join(pieces), fields)


def cut_from(name, text, *fields):
    data = to_wire(own(name))
    return cut(data, parse_structure(data), section(text, *fields))


def test_the_whole_message_and_its_halves():
    data = to_wire(own("plain.eml"))

    assert cut_from("plain.eml", "") == data
    assert cut_from("plain.eml", "HEADER") + cut_from("plain.eml", "TEXT") == data
    assert cut_from("plain.eml", "HEADER").endswith(b"\r\n\r\n")


def test_part_one_of_a_message_that_is_not_multipart_is_its_body():
    assert cut_from("plain.eml", "1") == cut_from("plain.eml", "TEXT")
    assert cut_from("plain.eml", "1.MIME") == cut_from("plain.eml", "HEADER")


@pytest.mark.parametrize("text", ["2", "1.1", "1.HEADER", "1.TEXT", "0", "1.1.1", "MIME"])
def test_parts_that_are_not_there_are_nil(text):
    assert cut_from("plain.eml", text) is None


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("1.1.1", b"Caf=E9 Blau"),
        ("1.1.2", b"PGgxPkNh"),
        ("1.1.2.MIME", b"Content-Type: text/html; charset=utf-8\r\n"),
        ("1.2", b"R0lGOD"),
        ("2", b"JVBERi0xLjQK"),
        ("1.MIME", b"Content-Type: multipart/related;"),
        ("1.1", b"--=_alt\r\n"),
    ],
)
def test_parts_by_number(text, start):
    assert cut_from("newsletter.eml", text).startswith(start)


def test_a_mime_header_ends_with_its_empty_line():
    assert cut_from("newsletter.eml", "1.1.2.MIME") == (
        b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    )


@pytest.mark.parametrize("text", ["3", "1.3", "1.1.3", "1.1.1.1", "1.HEADER", "2.TEXT", "0", "1.0"])
def test_a_multipart_has_no_other_parts(text):
    assert cut_from("newsletter.eml", text) is None


def test_the_message_inside_a_message():
    assert cut_from("forwarded.eml", "2.HEADER").startswith(b'From: "Inner')
    assert cut_from("forwarded.eml", "2.TEXT").startswith(b"--b\r\n")
    assert cut_from("forwarded.eml", "2.1") == b"inner text"
    assert cut_from("forwarded.eml", "2.2") == b"<b>inner</b>"
    assert cut_from("forwarded.eml", "2.2.MIME") == b"Content-Type: text/html\r\n\r\n"
    assert cut_from("forwarded.eml", "2") == cut_from("forwarded.eml", "2.HEADER") + cut_from("forwarded.eml", "2.TEXT")
    assert cut_from("forwarded.eml", "3.1") == b"body of the plain one"
    assert cut_from("forwarded.eml", "3.HEADER.FIELDS", "subject") == b"Subject: plain one\r\n\r\n"
    assert cut_from("forwarded.eml", "3.1.HEADER") is None


def test_header_fields_are_given_as_they_stand_in_their_order():
    assert cut_from("plain.eml", "HEADER.FIELDS", "SUBJECT", "received", "From", "X-None") == (
        b"Received: from out.example.net (out.example.net [192.0.2.10])\r\n"
        b"\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits))\r\n"
        b"\tby mx.example.org (Mailkeep) with ESMTPS id 0BCDFGHJKL\r\n"
        b"\tfor <bob@example.org>; Thu, 20 Nov 2025 12:00:07 +0000\r\n"
        b"From: Ann Other <ann@example.net>\r\nSubject: Lunch\r\n\r\n"
    )


def test_header_fields_not_are_all_the_others():
    data = to_wire(b"From: a\nX: 1\n folded\nSubject : s\nx: 2\n\nbody")

    assert cut(data, None, Section((), "HEADER.FIELDS.NOT", ("X",))) == b"From: a\r\nSubject : s\r\n\r\n"
    assert cut(data, None, Section((), "HEADER.FIELDS", ("subject",))) == b"Subject : s\r\n\r\n"
    assert cut(data, None, Section((), "HEADER.FIELDS", ("none",))) == b"\r\n"


def test_a_header_without_end_gets_one():
    assert header_fields(b"From: a\r\nTo: b", ("to",)) == b"To: b\r\n\r\n"


@given(ANY_MAIL)
def test_fields_and_the_others_are_the_whole_header(data):
    data = data.replace(b"\0", b"")
    fields = headers_of(data)
    names = ("Content-Type", "subject")

    some = headers_of(cut(data, None, Section((), "HEADER.FIELDS", names)))
    others = headers_of(cut(data, None, Section((), "HEADER.FIELDS.NOT", names)))

    assert sorted([*some, *others]) == sorted(fields)
    assert {name.lower() for name, _ in some} <= {b"content-type", b"subject"}
    assert {name.lower() for name, _ in others}.isdisjoint({b"content-type", b"subject"})


@given(ANY_MAIL)
def test_fields_end_with_one_empty_line(data):
    for kind in ("HEADER.FIELDS", "HEADER.FIELDS.NOT"):
        text = cut(data, None, Section((), kind, ("Content-Type",)))

        assert text == b"\r\n" or (text.endswith(b"\r\n\r\n") and text.count(b"\r\n\r\n") == 1)


def test_a_header_needs_no_structure():
    data = to_wire(own("newsletter.eml"))

    for kind in ("", "HEADER", "TEXT"):
        assert not needs_structure(Section((), kind))
        assert cut(data, None, Section((), kind)) == cut(data, parse_structure(data), Section((), kind))
    assert needs_structure(Section((1,), ""))
    assert cut(data, None, Section((2,), "")) == b"JVBERi0xLjQK"


def test_every_part_of_the_corpus_can_be_located_and_cut():
    for path, disk in messages():
        data = to_wire(disk)
        root = parse_structure(data)
        for number, part in walk(root):
            assert find_part(root, number) is part, (path, number)
            start, end = locate(root, Section(number))
            assert cut(data, root, Section(number)) == data[start:end] == data[part.body_start : part.body_end]


@given(
    ANY_MAIL, st.lists(st.integers(0, 3), max_size=5), st.sampled_from(["", "HEADER", "TEXT", "MIME", "HEADER.FIELDS"])
)
def test_any_section_of_any_bytes_is_bytes_or_nil(data, path, kind):
    found = cut(data, parse_structure(data), Section(tuple(path), kind, ("a",)))

    assert found is None or isinstance(found, bytes)
    if not path and kind != "MIME":
        assert found is not None
