"""Every message of tests/corpus is answered as is written beside it, and what is answered fits together."""

import io

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from accessd.imap.fetch_sections import write_large, write_sections
from accessd.imap.grammar.fetch_att import BodyItem, read_fetch_items
from accessd.imap.grammar.tokens import Scanner
from accessd.imap.short_body import without_extensions
from mailcore.message.body_structure import body, body_structure
from mailcore.message.decoding import decode_blocks
from mailcore.message.section import Section, cut, find_part, locate
from mailcore.message.structure import Part, parse_structure, walk
from mailcore.message.wire import to_disk, to_wire
from mailcore.store.base import StoredMessage
from mailcore.store.wire_text import WireText
from tests.unit.mailcore.message import answers, corpus

OWN = sorted(corpus.OWN.glob("*.eml"))
# Pieces of broken mail: hypothesis puts them together.
PIECES = st.sampled_from(
    [
        b"\r\n", b"\r\n\r\n", b"--a", b"--a--", b"--ab\r\n", b"--b\r\n", b"--b--\r\n", b"\r\n--a\r\n", b"\r\n--b\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n", b"Content-Type: multipart/digest; boundary=b\r\n",
        b"Content-Type: message/rfc822\r\n", b"Content-Type: message/global\r\n", b"Content-Type: text/html\r\n",
        b"Content-Type: multipart/alternative\r\n", b"Content-Transfer-Encoding: base64\r\n", b"AAEC=\r\n",
        b"Content-Transfer-Encoding: quoted-printable\r\n", b"=3D=\r\n", b"text", b"\0", b"\xff", b" folded\r\n",
    ]
)  # fmt: skip
BROKEN = st.lists(PIECES, max_size=30).map(lambda pieces: to_wire(to_disk(b"".join(pieces))))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.stem)
def test_answers(path):
    assert answers.answers(path.read_bytes()) == path.with_suffix(".answers").read_text()


def test_nothing_is_expected_of_a_message_that_is_not_there():
    assert {path.stem for path in corpus.OWN.glob("*.answers")} == {path.stem for path in OWN}


def assert_sizes_add_up(root: Part) -> None:
    assert root.header_start <= root.body_start <= root.body_end
    position = root.body_start
    for child in root.children:
        assert position <= child.header_start <= child.body_start <= child.body_end <= root.body_end
        position = child.body_end
        assert_sizes_add_up(child)
    if root.is_message:
        (inner,) = root.children
        assert (inner.header_start, inner.body_end) == (root.body_start, root.body_end)


@given(BROKEN)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_sections_are_those_of_the_structure(wire):
    root = parse_structure(wire)
    paths = {path for path, _ in walk(root)}

    assert_sizes_add_up(root)
    assert cut(wire, root, Section((), "HEADER")) + cut(wire, root, Section((), "TEXT")) == wire
    for path in paths:
        part, span = find_part(root, path), locate(root, Section(path))
        assert part is not None and span == (part.body_start, part.body_end)
        for other in ((*path, 1), (*path[:-1], path[-1] + 1)):
            assert (find_part(root, other) is not None) == (other in paths)
        if part.is_message:
            inner = cut(wire, root, Section(path, "HEADER")) + cut(wire, root, Section(path, "TEXT"))
            assert inner == cut(wire, root, Section(path))


@given(BROKEN)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_large_message_is_answered_like_a_small_one(wire):
    root = parse_structure(wire)
    large = StoredMessage(io.BytesIO(to_disk(wire)))
    items = [
        item for text in answers.items_of(root) for item in read_fetch_items(Scanner(text.encode()))
        if isinstance(item, BodyItem)
    ]  # fmt: skip

    assert body_structure(parse_structure(WireText(large, block=7))) == body_structure(root)
    assert b"".join(write_large(large, root, items)) == write_sections(wire, items)


@given(BROKEN)
def test_body_is_bodystructure_without_its_extensions(wire):
    root = parse_structure(wire)

    assert without_extensions(body_structure(root)) == body(root)


@given(st.binary(max_size=200), st.sampled_from(["base64", "quoted-printable", "8bit"]), st.integers(1, 20))
def test_how_octets_are_cut_does_not_change_what_they_mean(data, encoding, size):
    whole = b"".join(decode_blocks([data], encoding))
    pieces = [data[at : at + size] for at in range(0, len(data), size)]

    assert encoding == "quoted-printable" or b"".join(decode_blocks(pieces, encoding)) == whole
    lines = data.splitlines(keepends=True)
    assert b"".join(decode_blocks(lines, encoding)) == whole
