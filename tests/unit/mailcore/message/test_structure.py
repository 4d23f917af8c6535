"""mailcore.message.structure: the part tree, its offsets, its limits, and agreement with the standard
library."""

import email
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.structure import MAX_DEPTH, MAX_PARTS, parse_structure, walk
from mailcore.message.wire import to_wire
from tests.unit.mailcore.message.corpus import messages, own

# What mail is made of, so that random sequences of it come near to mail.
PIECES = st.lists(
    st.sampled_from(
        [b"\r\n", b"\r\n\r\n", b"--a", b"--b", b"--a--", b"--b--", b"--", b"\r\n--a\r\n", b"\r\n--a--\r\n", b"text",
         b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: multipart/digest; boundary=b\r\n",
         b"Content-Type: message/rfc822\r\n", b"Content-Type: text/plain\r\n", b"Content-Type: x\r\n",
         b"\r\n--b\r\n", b" folded", b"Subject: s\r\n", b"\xff", b"\0", b'Content-Type: multipart/x; boundary=""\r\n']
    ),
    max_size=60,
).map(b"".join)  # fmt: skip
ANY_MAIL = st.one_of(PIECES, st.binary(max_size=300)).map(to_wire)


def tree(data, part):
    """(type, body) of leaves, (type, [children]) of others."""
    name = f"{part.type}/{part.subtype}"
    if part.is_multipart or part.is_message:
        return name, [tree(data, child) for child in part.children]
    return name, data[part.body_start : part.body_end]


def parsed(data):
    data = to_wire(data)
    return tree(data, parse_structure(data))


def test_offsets_are_of_the_wire_form():
    data = to_wire(own("plain.eml"))

    root = parse_structure(data)

    assert data[root.body_start : root.body_end] == "At noon?\r\n.\r\nGrüße, Ann\r\n".encode()
    assert data[root.header_start : root.body_start].endswith(b"8bit\r\n\r\n")
    assert (root.type, root.subtype, root.encoding, root.lines) == ("text", "plain", "8bit", 3)
    assert root.size == len("At noon?\r\n.\r\nGrüße, Ann\r\n".encode())


def test_parts_in_parts():
    data = to_wire(own("newsletter.eml"))

    numbers = {path: f"{part.type}/{part.subtype}" for path, part in walk(parse_structure(data))}

    assert numbers == {
        (1,): "multipart/related",
        (1, 1): "multipart/alternative",
        (1, 1, 1): "text/plain",
        (1, 1, 2): "text/html",
        (1, 2): "image/gif",
        (2,): "application/pdf",
    }


def test_the_line_break_before_a_delimiter_belongs_to_it():
    _, children = parsed(b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\none\n\n--a\n\n--a\n\nthree--a\n--a--\n")

    assert children == [("text/plain", b"one\r\n"), ("text/plain", b""), ("text/plain", b"three--a")]


def test_a_part_may_have_no_empty_line():
    data = to_wire(b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: text/html\n--a--\n")

    (child,) = parse_structure(data).children

    assert (child.type, child.subtype, child.size) == ("text", "html", 0)
    assert data[child.header_start : child.body_start] == b"Content-Type: text/html\r\n"


def test_messages_inside_messages():
    data = to_wire(own("forwarded.eml"))

    root = parse_structure(data)

    first, second = root.children[1], root.children[2]
    inner = first.children[0]
    assert [f"{c.type}/{c.subtype}" for c in inner.children] == ["text/plain", "text/html"]
    assert data[inner.header_start :].startswith(b'From: "Inner')
    assert (inner.header_start, inner.body_end) == (first.body_start, first.body_end)
    assert data[second.body_start : second.body_end] == b"Subject: plain one\r\n\r\nbody of the plain one"
    assert [path for path, _ in walk(root) if path[0] == 2] == [(2,), (2, 1), (2, 2)]


def test_what_stands_in_a_digest_is_a_message():
    assert parsed(own("digest.eml")) == (
        "multipart/digest",
        [("message/rfc822", [("text/plain", b"first body")]), ("text/plain", b"not a message")],
    )


def test_an_outer_delimiter_ends_all_inner_ones():
    assert parsed(own("unclosed.eml")) == (
        "multipart/mixed",
        [
            ("multipart/alternative", [("text/plain", b"the inner one is not closed")]),
            ("text/plain", b"neither is the outer\r\n"),
        ],
    )


@pytest.mark.parametrize("name", ["boundary-missing.eml", "boundary-wrong.eml"])
def test_a_multipart_whose_parts_cannot_be_told_has_none(name):
    root = parse_structure(to_wire(own(name)))

    assert root.is_multipart and root.children == () and root.size > 40


def test_an_inner_multipart_may_use_the_boundary_of_the_outer():
    assert parsed(own("same-boundary.eml")) == (
        "multipart/mixed",
        [
            ("multipart/alternative", [("text/plain", b"one"), ("text/html", b"<p>two")]),
            ("text/plain", b"three"),
        ],
    )


@pytest.mark.parametrize(
    ("name", "header", "body"),
    [
        ("empty.eml", 0, 0),
        ("only-header.eml", 55, 0),
        ("only-body.eml", 2, 28),
        ("mbox-from.eml", 100, 26),
    ],
)
def test_messages_that_lack_something(name, header, body):
    root = parse_structure(to_wire(own(name)))

    assert (root.header_start, root.body_start, root.size) == (0, header, body)
    assert (root.type, root.subtype, root.parameters) == ("text", "plain", (("charset", b"us-ascii"),))


@pytest.mark.parametrize("content_type", ["text", "", ";", "/", "text/", "multipart", "boundary=a"])
def test_a_content_type_that_cannot_be_read_is_text(content_type):
    root = parse_structure(to_wire(f"Content-Type: {content_type}\n\nx".encode()))

    assert (root.type, root.subtype) == ("text", "plain")


def reference(part):
    """The same tree by the standard library, which strips the last line break of an unclosed multipart."""
    if part.get_content_type() in ("message/delivery-status", "message/disposition-notification"):
        return part.get_content_type(), None
    if part.is_multipart():
        return part.get_content_type(), [reference(child) for child in part.get_payload()]
    if part.get_content_maintype() == "multipart":
        return part.get_content_type(), []
    return part.get_content_type(), part._payload.encode("utf-8", "surrogateescape").rstrip(b"\r\n")


def comparable(node):
    name, content = node
    if name in ("message/delivery-status", "message/disposition-notification"):
        return name, None
    return name, content.rstrip(b"\r\n") if isinstance(content, bytes) else [comparable(child) for child in content]


# Where the standard library reads something else, and why we do not.
DIFFERENT = {
    "no-colon.eml",  # it ends the header at the first line that is no field; IMAP servers end it at the empty line
    "same-boundary.eml",  # it does not let the inner multipart hide the outer
    "rfc822-base64.eml",  # as no-colon.eml, in the message that is encoded
    "boundary-more.eml",  # it wants nothing behind the boundary; RFC 2046 section 5.1.1 asks for its beginning only
    "message-global.eml",  # it looks into every message/*, also into half of one
}


def test_the_standard_library_sees_the_same_parts():
    compared = 0
    for path, data in messages():
        if path.name in DIFFERENT:
            continue
        wire = to_wire(data)
        assert comparable(tree(wire, parse_structure(wire))) == reference(email.message_from_bytes(wire)), path
        compared += 1
    assert compared >= 18


@given(ANY_MAIL)
def test_any_bytes_give_a_tree_whose_parts_lie_inside_each_other(data):
    root = parse_structure(data)

    assert (root.header_start, root.body_end) == (0, len(data))
    check_nesting(root)


def check_nesting(part):
    assert part.header_start <= part.body_start <= part.body_end
    position = part.body_start
    for child in part.children:
        assert position <= child.header_start and child.body_end <= max(part.body_end, child.body_start)
        position = child.body_end
        check_nesting(child)
    assert len(part.children) == 1 or not part.is_message


def test_the_corpus_gives_trees_whose_parts_lie_inside_each_other():
    for _, data in messages():
        check_nesting(parse_structure(to_wire(data)))


def depth(part):
    return 1 + max((depth(child) for child in part.children), default=0)


def nested_multiparts(count):
    return b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(count))


HOSTILE = {
    "many levels": nested_multiparts(20_000),
    "many messages": b"Content-Type: message/rfc822\r\n\r\n" * 30_000,
    "many parts": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 100_000,
    "many parts without an empty line": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n"
    + b"--a\r\nx\r\n" * 100_000,
    "many lines that look like delimiters": nested_multiparts(50) + b"--b\r\n" * 200_000,
    "many digests": b"Content-Type: multipart/digest; boundary=a\r\n\r\n" + b"--a\r\n\r\n\r\n" * 60_000,
    "one line": b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--" * 500_000,
    "one field": b"Content-Type: multipart/mixed" + b"; boundary=a" * 100_000 + b"\r\n\r\n",
    "semicolons": b"Content-Type: multipart/mixed" + b";" * 1_000_000 + b"\r\n\r\n",
    "spaces": b"Content-Type: text/plain; a=" + b" " * 1_000_000 + b")\r\n\r\n",
    "backslashes": b'Content-Type: text/plain; a="' + b"\\" * 1_000_001 + b"\r\n\r\n",
    "many fields": b"a: b\r\n" * 200_000,
    "much folding": b"Content-Type: text/plain" + b"\r\n " * 300_000,
    "no field ends": b"x" * 1_000_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_mail_takes_little_time_and_little_depth(name):
    data = HOSTILE[name]

    started = time.process_time()
    root = parse_structure(data)

    assert time.process_time() - started < 2.0
    assert depth(root) <= MAX_DEPTH + 1
    assert sum(1 for _ in walk(root)) <= MAX_PARTS + 1
