"""No message takes a reader more than a few seconds of CPU, makes it raise, or costs it more than its size explains.

Every kind of broken mail (tests.reliability.broken_mail) through every reader of messages: what IMAP, SEARCH, webmail,
SMTP and the queue do with one. Growth is measured with sizes that double: what takes four times as long for twice the
size would take hours for a message of 50 MiB.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mailcore.address import Address
from mailcore.clock import SystemClock
from mailcore.dsn.decide import Action
from mailcore.dsn.report import build_report
from mailcore.dsn.reported import About, Reported, Reporter
from mailcore.envelope import Envelope, Recipient
from mailcore.mailbox import search_text
from mailcore.message.binary import storable
from mailcore.message.body_structure import body
from mailcore.message.decoding import UnknownEncoding, decoded
from mailcore.message.display import decoded_headers, show
from mailcore.message.headers import headers_of
from mailcore.message.preview import preview
from mailcore.message.saved_part import extract
from mailcore.message.section import Section, cut
from mailcore.message.structure import parse_structure, walk
from mailcore.message.summary import summarise
from mailcore.message.trace import Hop, journey
from mailcore.message.wire import ToDisk, to_wire
from mailcore.reply import Reply
from smtpd.completion import complete
from smtpd.incoming import MEMORY_LIMIT
from tests.reliability.broken_mail import HEAD, KINDS, Kind

SHORT_BYTES = 20_000
LONG_BYTES = 1_000_000
# A linear reader of ours takes about a second per MiB of the worst; a quadratic one shows long before.
SECONDS_AT_MOST = 4.0
GROWTH_AT_MOST = 3.2
"""For twice the size; 2 is linear, 4 is quadratic."""
TOO_SHORT_TO_TELL_S = 0.15

ONCE_QUADRATIC = ("address_colons", "text_accents")

READERS: dict[str, Callable[[bytes], object]] = {}


def reader(function: Callable[[bytes], object]) -> Callable[[bytes], object]:
    READERS[function.__name__] = function
    return function


@reader
def envelope_and_structure(data: bytes) -> object:
    """FETCH ENVELOPE BODYSTRUCTURE, and the cache."""
    return summarise(data), body(parse_structure(data))


@reader
def decoded_sections(data: bytes) -> object:
    """FETCH BINARY[] and BINARY.SIZE[1], PREVIEW; APPEND of a literal8."""
    root = parse_structure(data)
    for path in ((), (1,)):
        with suppress(UnknownEncoding):
            sum(map(len, decoded(data, root, path) or ()))
    return preview(data, root), storable(data, binary=True)


@reader
def sections(data: bytes) -> object:
    """FETCH BODY[...]: parts, their headers, fields."""
    root = parse_structure(data)
    for number, (path, _) in enumerate(walk(root)):
        if number == 20:
            break
        for kind in ("", "MIME", "HEADER", "TEXT"):
            cut(data, root, Section(path, kind))
    cut(data, None, Section((), "HEADER.FIELDS", ("Subject", "To")))
    return cut(data, None, Section((), "HEADER.FIELDS.NOT", ("Subject", "To")))


@reader
def search_in_envelope(data: bytes) -> object:
    """SEARCH FROM, TO, CC, BCC, SUBJECT, SENTON."""
    envelope = summarise(data).envelope
    search_text.sent_day(envelope)
    return [search_text.envelope_contains(envelope, field, "nevér") for field in search_text.ENVELOPE_FIELDS]


@reader
def search_in_text(data: bytes) -> object:
    """SEARCH TEXT."""
    return search_text.text_contains(data, "nevér")


@reader
def viewer(data: bytes) -> object:
    """The page of webmail, one part of it, all header fields, the journey."""
    headers = headers_of(data[: 256 * 1024])
    extract(data, "1")
    decoded_headers(headers)
    journey(headers)
    return show(data, lambda number: f"/part/{number}")


@reader
def arrival(data: bytes) -> object:
    """What smtpd does: line ends, then our fields in front of the beginning."""
    convert = ToDisk()
    disk = convert.feed(data) + convert.close()
    hop = Hop("a", "b", "192.0.2.1", "c", "ESMTP", "id", datetime.now(UTC))
    complete(disk[:MEMORY_LIMIT], hop, None, originates=True, default_from="a@b.test")
    return to_wire(disk)


@reader
def bounce(data: bytes) -> object:
    """What the queue does when it cannot be delivered."""
    now = SystemClock().now()
    recipient = Recipient(Address.parse("b@there.test"), Address.parse("b@there.test"))
    about = About(
        queue_id="1",
        envelope=Envelope(Address.parse("a@here.test"), (recipient,)),
        message_id="",
        received_at=now,
        expires_at=now,
        content=data.replace(b"\r\n", b"\n"),
        is_complete=False,
    )
    told = Reported(Action.FAILED, recipient, "mx.there.test", Reply(550, "5.1.1", "no"), now)
    return build_report(Reporter("mail.here.test", "here.test"), about, [told], "<1@here.test>", now)


def cpu_of(read: Callable[[bytes], object], data: bytes) -> float:
    begun = time.thread_time()
    read(data)
    return time.thread_time() - begun


def fastest(read: Callable[[bytes], object], data: bytes) -> float:
    """A busy machine only ever adds."""
    first = cpu_of(read, data)
    return first if first < TOO_SHORT_TO_TELL_S else min(first, *(cpu_of(read, data) for _ in range(3)))


def grows_too_fast(read: Callable[[bytes], object], kind: Kind, size: int) -> bool:
    """What takes quadratic time does so at the next doubling too; chance (what random bytes happen to begin with) or
    the end of a cache raises the time once.
    """
    sizes = (size // 2, size, size * 2)
    half, whole, double = (fastest(read, kind.make(part)) for part in sizes)
    return whole >= GROWTH_AT_MOST * half and double >= GROWTH_AT_MOST * whole


@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", READERS)
def test_time_grows_with_the_size_and_no_faster(name: str, length: Any, record: Any) -> None:
    size, read = int(length(SHORT_BYTES, LONG_BYTES)), READERS[name]
    slowest, its_kind = 0.0, ""
    for kind in KINDS:
        half, whole = (fastest(read, kind.make(part)) for part in (size // 2, size))
        assert whole < SECONDS_AT_MOST, (kind.name, whole)
        assert whole < TOO_SHORT_TO_TELL_S or whole < GROWTH_AT_MOST * half or not grows_too_fast(read, kind, size), (
            kind.name,
            half,
            whole,
        )
        slowest, its_kind = max((slowest, its_kind), (whole, kind.name))
    record(6, f"time of {name}", size_bytes=size, slowest_s=round(slowest, 3), kind=its_kind, kinds=len(KINDS))


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.name in ONCE_QUADRATIC], ids=lambda kind: kind.name)
def test_what_once_took_quadratic_time(kind: Kind) -> None:
    data = kind.make(100_000)

    assert cpu_of(envelope_and_structure, data) < SECONDS_AT_MOST
    assert cpu_of(search_in_text, data) < SECONDS_AT_MOST


def test_a_header_as_large_as_a_message_may_be_costs_no_more_than_its_beginning() -> None:
    data = HEAD + b"Cc: " + b"@" * (10 << 20) + b"\r\n\r\ntext\r\n"

    assert cpu_of(envelope_and_structure, data) < SECONDS_AT_MOST


@st.composite
def mime(draw: st.DrawFn, depth: int = 3) -> bytes:
    """Messages that are nearly right: a tree of parts with fields, boundaries and encodings that go wrong at will."""
    boundary = draw(st.sampled_from([b"b", b"b1", b"", b"b--", b"=_x y", b"\xff"]))
    kinds = [b"text/plain", b"text/html", b"message/rfc822", b"multipart/mixed", b"multipart/alternative", b"a", b""]
    fields = [b"Content-Type: " + draw(st.sampled_from(kinds)) + b'; boundary="' + boundary + b'"']
    for name in draw(st.lists(st.sampled_from([b"Subject", b"To", b"Date", b"Content-Disposition", b"X"]), max_size=3)):
        fields.append(name + b": " + draw(st.binary(max_size=30)))
    if draw(st.booleans()):
        encodings = [b"base64", b"quoted-printable", b"x-uuencode", b"8bit", b"nonsense"]
        fields.append(b"Content-Transfer-Encoding: " + draw(st.sampled_from(encodings)))
    empty_line = draw(st.sampled_from([b"\r\n\r\n", b"\r\n", b"\n\n", b"\r\n\r\n\r\n"]))
    children = draw(st.lists(mime(depth=depth - 1), max_size=3)) if depth else []
    parts = b"".join(b"\r\n--" + boundary + b"\r\n" + child for child in children)
    return (
        b"\r\n".join(fields) + empty_line + draw(st.binary(max_size=60)) + parts + draw(st.sampled_from([b"", b"--"]))
    )


@pytest.mark.parametrize("strategy", [mime(), st.binary(max_size=2000)], ids=["mime", "bytes"])
def test_no_reader_raises(strategy: st.SearchStrategy[bytes], length: Any) -> None:
    @settings(max_examples=int(length(60, 5000)), deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(strategy)
    def read_all(data: bytes) -> None:
        for read in READERS.values():
            read(data)

    read_all()
