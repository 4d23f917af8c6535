"""DataReader, ChunkReader and DataWriter: the same result for any split, and one end of data only."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.smtp.data import ChunkReader, DataReader, DataWriter

# Bytes that matter to the readers are frequent, so that short examples meet every state.
wire_bytes = st.lists(
    st.sampled_from([b"\r", b"\n", b".", b"\r\n", b"\r\n.", b"\r\n..", b"a", b"\x00", b"\xff", b"bcd"]), max_size=40
).map(b"".join)


def pieces(text: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    return [text[a:b] for a, b in itertools.pairwise(edges)]


def read(blocks: list[bytes]) -> tuple[bytes, bool, bytes]:
    reader, text, rest = DataReader(), b"", b""
    for block in blocks:
        if reader.done:
            rest += block
        else:
            text += reader.feed(block)
    return text, reader.done, reader.rest + rest


def expected(wire: bytes) -> tuple[bytes, bytes]:
    """The same by the words of the RFC, line by line."""
    lines, rest = [], wire
    while True:
        line, _, rest = rest.partition(b"\r\n")
        if line == b".":
            break
        # Behind a bare LF only a doubled dot was stuffed.
        lines.append((line[1:] if line.startswith(b".") else line).replace(b"\n..", b"\n."))
    text = b"".join(line + b"\n" for line in (line.replace(b"\r", b" ") for line in lines))
    return text, rest


@given(wire_bytes, wire_bytes, st.lists(st.integers(0, 120), max_size=8))
def test_any_split_reads_what_the_rfc_says(head, tail, cuts):
    wire = head + b"\r\n.\r\n" + tail

    text, done, rest = read(pieces(wire, cuts))

    assert done
    assert (text, rest) == expected(wire)


@pytest.mark.parametrize(
    "mark",
    [b"\n.\n", b"\r.\r", b"\n.\r\n", b"\r\n.\n", b"\r\n.\r", b"\n.\r", b"\r.\n", b"\r.\r\n", b"\r\n\x00.\r\n",
     b"\r\n.\x00\r\n", b"\r\n.\r\x00\n", b"\r\x00\n.\r\n", b"\r\n. \r\n", b"\n\r.\r\n", b"\r\n.\n\r\n", b"\r\r\n.\n"],
)  # fmt: skip
def test_no_other_mark_ends_the_data(mark):
    reader = DataReader()

    text = reader.feed(b"first" + mark + b"MAIL FROM:<evil@example.org>\r\n")

    assert not reader.done
    assert b"MAIL FROM" in text + reader.feed(b".\r\n")
    assert reader.done
    assert reader.rest == b""


def test_a_message_may_be_empty():
    assert read([b".\r\n"]) == (b"", True, b"")


def test_dots_are_removed_only_at_the_start_of_a_wire_line():
    assert read([b"..a\r\n.b\r\nc.\r\n\n.d\r\n.\r\n"])[0] == b".a\nb\nc.\n\n.d\n"


def test_bare_lf_is_a_line_end_and_bare_cr_a_space():
    assert read([b"a\nb\rc\r\r\n\r\n.\r\n"])[0] == b"a\nb c \n\n"


def test_commands_behind_the_end_are_handed_back():
    assert read([b"a\r\n.\r\nRSET\r\nQUIT\r\n"])[2] == b"RSET\r\nQUIT\r\n"


def test_wire_size_counts_the_message_without_stuffing():
    reader = DataReader()

    reader.feed(b"ab\r\n..\r\n.\r\n")

    assert reader.wire_size == len(b"ab\r\n.\r\n")


@given(wire_bytes, st.lists(st.integers(0, 120), max_size=8))
def test_chunks_read_the_same_for_any_split(wire, cuts):
    def through(blocks: list[bytes]) -> tuple[bytes, int]:
        reader = ChunkReader()
        text = b"".join(map(reader.feed, blocks)) + reader.finish()
        return text, reader.wire_size

    text, size = through(pieces(wire, cuts))

    assert (text, size) == through([wire])
    assert b"\r" not in text
    assert size == len(text.replace(b"\n", b"\r\n"))


def test_chunks_keep_dots_and_end_with_a_line_end():
    reader = ChunkReader()

    assert reader.feed(b".\r\n..x\r") + reader.finish() == b".\n..x \n"


@given(wire_bytes, st.lists(st.integers(0, 120), max_size=8))
def test_what_is_written_reads_back_and_has_one_end(disk, cuts):
    def through(blocks: list[bytes]) -> bytes:
        writer = DataWriter()
        return b"".join(map(writer.feed, blocks)) + writer.finish()

    wire = through(pieces(disk, cuts))
    text, done, rest = read([wire])

    assert wire == through([disk])
    assert done
    assert rest == b""
    assert b"\r" not in wire.replace(b"\r\n", b"")
    assert b"\n" not in wire.replace(b"\r\n", b"")
    clean = disk.replace(b"\r\n", b"\n").replace(b"\r", b" ")
    assert text == (clean if clean.endswith(b"\n") or not clean else clean + b"\n")


def test_a_smuggled_end_leaves_dot_stuffed():
    text, _, _ = read([b"a\n.\nMAIL FROM:<evil@example.org>\r\n.\r\n"])
    writer = DataWriter()

    assert writer.feed(text) == b"a\r\n..\r\nMAIL FROM:<evil@example.org>\r\n"


@pytest.mark.parametrize("cut", range(1, 24))
def test_dots_doubled_behind_a_bare_lf_are_halved_wherever_the_block_ends(cut):
    """smtplib.sendmail(..., bytes with LF): the dots are stuffed, the line ends are not CRLF."""
    wire, reader = b"one\n..two\n.three\n...\r\n..x\r\n.\r\n", DataReader()

    text = reader.feed(wire[:cut]) + reader.feed(wire[cut:])

    assert text == b"one\n.two\n.three\n..\n.x\n"
    assert reader.done
