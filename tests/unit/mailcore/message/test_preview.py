"""PREVIEW (RFC 8970): the first words of a message."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.preview import MOST, preview
from mailcore.message.structure import parse_structure
from mailcore.message.wire import to_wire

ALTERNATIVE = b"""\
Content-Type: multipart/alternative; boundary=b

--b
Content-Type: text/plain

--b
Content-Type: text/html; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

<html><head><title>no</title><style>p {}</style></head><body><p>Caf=E9 &amp; Kuchen</p><p>um drei</p></body></html>
--b--
"""
ATTACHED = b"""\
Content-Type: multipart/mixed; boundary=b

--b
Content-Disposition: attachment; filename=a.txt

attached
--b
Content-Type: message/rfc822

Subject: inner

inner
--b

shown
--b--
"""


def of(message: bytes) -> str:
    data = to_wire(message)
    return preview(data, parse_structure(data))


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        (b"Subject: x\n\nHello,\n\n  world\t!\n", "Hello, world !"),
        (b"\n> On Monday you wrote:\n> nonsense\nNo.\n", "No."),
        (b"\n> only\n> quoted\n", "> only > quoted"),
        (b"\n\n> quoted\n>From here on it is text\n", ">From here on it is text"),
        (ALTERNATIVE, "Café & Kuchen um drei"),
        (ATTACHED, "shown"),
        (b"Content-Transfer-Encoding: base64\n\nSGVsbG8=\n", "Hello"),
        (b"Content-Transfer-Encoding: x-odd\n\nHello\n", ""),
        (b"Content-Type: image/png\n\nHello\n", ""),
        (b"Subject: x\n", ""),
        (b"", ""),
    ],
)
def test_what_is_shown(message: bytes, shown: str) -> None:
    assert of(message) == shown


def test_no_more_than_that() -> None:
    assert len(of(b"\n" + b"word " * 10_000)) == MOST - 1


@given(st.binary(max_size=400))
def test_any_octets_give_a_line_of_text(noise: bytes) -> None:
    shown = of(b"Content-Type: text/html\n\n" + noise)

    assert len(shown) <= MOST
    assert shown.isprintable()
