"""mailcore.message.wire: LF on disk, CRLF on the wire, for any bytes and any split."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.wire import ToDisk, ToWire, to_disk, to_wire, wire_size

LINE_ENDS = st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b".", b"", b"line"]), max_size=40).map(b"".join)
ANY_BYTES = st.one_of(LINE_ENDS, st.binary(max_size=200))


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"", b""),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\r\nb\nc", b"a\r\nb\r\nc"),
        (b"a\rb\n", b"a b\r\n"),
        (b"a\r\r\n", b"a \r\n"),
        (b"\n.\n", b"\r\n.\r\n"),
        (b"\n\r", b"\r\n "),
    ],
)
def test_every_line_end_becomes_crlf_and_a_bare_cr_a_space(data, wire):
    assert to_wire(data) == wire


@given(ANY_BYTES)
def test_wire_form_has_no_bare_cr_and_no_bare_lf(data):
    assert not re.search(rb"\r(?!\n)|(?<!\r)\n", to_wire(data))


@given(ANY_BYTES)
def test_disk_form_has_no_cr(data):
    assert b"\r" not in to_disk(data)


@given(ANY_BYTES)
def test_both_forms_are_stable_and_agree(data):
    assert to_wire(to_wire(data)) == to_wire(data)
    assert to_disk(to_disk(data)) == to_disk(data)
    assert to_wire(to_disk(data)) == to_wire(data)
    assert to_disk(to_wire(data)) == to_disk(data)


@given(ANY_BYTES)
def test_wire_size_needs_no_conversion(data):
    assert wire_size(data) == len(to_wire(data)) == wire_size(to_disk(data))


def test_data_in_the_right_form_is_not_copied():
    disk, wire = b"a\nb\n", b"a\r\nb\r\n"

    assert to_disk(disk) is disk
    assert to_wire(wire) is wire


@given(ANY_BYTES, st.lists(st.integers(0, 200), max_size=8))
def test_a_stream_gives_the_same_in_whatever_pieces_it_arrives(data, cuts):
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    pieces = [data[start:end] for start, end in pairwise(places)]

    for converter, whole in ((ToDisk(), to_disk), (ToWire(), to_wire)):
        joined = b"".join(converter.feed(piece) for piece in pieces) + converter.close()

        assert joined == whole(data)


def test_a_crlf_may_be_split_over_chunks():
    converter = ToDisk()

    assert converter.feed(b"a\r") == b"a"
    assert converter.feed(b"") == b""
    assert converter.feed(b"\nb\r") == b"\nb"
    assert converter.close() == b" "
    assert converter.close() == b""
