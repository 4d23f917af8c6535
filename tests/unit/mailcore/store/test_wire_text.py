"""A message looked into block by block is the same as the message in memory."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.structure import parse_structure
from mailcore.message.summary import summarise, summarise_structure
from mailcore.message.wire import to_wire
from mailcore.store.base import StoredMessage
from mailcore.store.wire_text import WireText
from tests.reliability.broken_mail import KINDS

DISK = st.text(alphabet="ab-\r\n", max_size=60).map(str.encode)
WANTED = st.sampled_from([b"\n", b"\r\n", b"\n--", b"ab"])
POSITION = st.integers(min_value=0, max_value=80)


def text_of(data: bytes, block: int) -> WireText:
    return WireText(StoredMessage(io.BytesIO(data)), block)


@given(
    DISK, st.integers(min_value=1, max_value=9), POSITION, POSITION, st.sampled_from([b"\n", b"\r\n", b"\n--", b"ab"])
)
def test_it_answers_as_bytes_do(data: bytes, block: int, start: int, end: int, wanted: bytes) -> None:
    text, whole = text_of(data, block), to_wire(data)

    assert len(text) == len(whole)
    assert text[start:end] == whole[start:end]
    assert text.find(wanted, start) == whole.find(wanted, start)
    assert text.find(wanted, start, end) == whole.find(wanted, start, end)
    assert text.count(b"\n", start, end) == whole.count(b"\n", start, end)
    assert text.startswith(wanted, start) == whole.startswith(wanted, start)


def test_the_structure_is_the_same() -> None:
    for kind in KINDS:
        data = kind.make(3000)

        found = parse_structure(text_of(data, 700))

        assert summarise_structure(found) == summarise(data), kind.name
