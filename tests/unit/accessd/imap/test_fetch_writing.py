"""How FETCH responses are written: fields of rows, sections of messages small and large."""

import io
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.fetch_fields import FieldWriter, internal_date, internal_moment
from accessd.imap.fetch_sections import read_head, write_large, write_sections
from accessd.imap.grammar.fetch_att import RARE, BodyItem, Field, read_fetch_items
from accessd.imap.grammar.tokens import Scanner
from mailcore.index.records import CachedRow, FlagRow
from mailcore.message.flags import SEEN
from mailcore.message.structure import parse_structure
from mailcore.message.wire import to_disk
from mailcore.store.base import StoredMessage

EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
ROW = CachedRow(
    7, 12, SEEN, ["b", "a"], 345, (datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC) - EPOCH) // MICROSECOND, b"(NIL)",
    b'("text" "plain" NIL NIL NIL "7bit" 1 1 NIL NIL NIL NIL)',
)  # fmt: skip


def items(text: bytes) -> tuple[BodyItem, ...]:
    return tuple(item for item in read_fetch_items(Scanner(text)) if isinstance(item, BodyItem))


def test_every_field() -> None:
    writer = FieldWriter([field for field in Field if field not in RARE], first_recent_uid=7)

    assert writer.responses([3], [ROW]) == (
        b'* 3 FETCH (UID 7 FLAGS (\\Seen a b \\Recent) INTERNALDATE " 3-Feb-2024 04:05:06 +0000" RFC822.SIZE 345 '
        b'ENVELOPE (NIL) BODYSTRUCTURE ("text" "plain" NIL NIL NIL "7bit" 1 1 NIL NIL NIL NIL) '
        b'BODY ("text" "plain" NIL NIL NIL "7bit" 1 1) MODSEQ (12))\r\n'
    )


def test_a_percent_sign_in_an_envelope_is_text() -> None:
    row = ROW._replace(envelope=b'("100%d")')

    assert FieldWriter([Field.ENVELOPE], first_recent_uid=9)(row) == b'ENVELOPE ("100%d")'


def test_internal_dates_are_in_utc() -> None:
    assert internal_date(datetime(2024, 3, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))) == (
        b'"29-Feb-2024 22:30:00 +0000"'
    )


@given(st.datetimes(datetime(1700, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_a_moment_is_written_as_its_date_is(moment: datetime) -> None:
    assert internal_moment((moment - EPOCH) // MICROSECOND) == internal_date(moment)


def test_many_rows_are_written_as_one_by_one() -> None:
    fields = (Field.UID, Field.FLAGS, Field.ENVELOPE, Field.INTERNALDATE)
    rows = [ROW._replace(uid=uid, flags=uid % 32, keywords=["x"] if uid % 3 else None) for uid in range(1, 40)]
    writer = FieldWriter(fields, first_recent_uid=30)

    written = writer.responses(range(5, 44), rows)

    assert written == b"".join(b"* %d FETCH (%b)\r\n" % (row.uid + 4, writer(row)) for row in rows)
    assert written.count(b"\\Recent") == 10 and written.count(b"x") == 26


def test_rows_without_cached_fields_have_dates() -> None:
    row = FlagRow(7, 12, SEEN, [], 345, datetime(2024, 2, 3, 4, 5, 6, tzinfo=UTC))

    written = FieldWriter([Field.INTERNALDATE, Field.SIZE], first_recent_uid=9).responses([1], [row])

    assert written == b'* 1 FETCH (INTERNALDATE " 3-Feb-2024 04:05:06 +0000" RFC822.SIZE 345)\r\n'


MESSAGE = (
    b"Subject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npreamble\r\n--b\r\n\r\nfirst\r\n"
    b"--b\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nTo: a\r\n\r\ninside\r\n--b--\r\n"
)

SECTIONS = (
    b"BODY[]", b"BODY[HEADER]", b"BODY[TEXT]", b"BODY[1]", b"BODY[1.MIME]", b"BODY[2]", b"BODY[2.MIME]",
    b"BODY[2.HEADER]", b"BODY[2.TEXT]", b"BODY[2.1]", b"BODY[3]", b"BODY[1.HEADER]", b"BODY[2.HEADER.FIELDS (To)]",
    b"BODY[HEADER.FIELDS.NOT (Subject)]", b"BODY[]<0.10>", b"BODY[TEXT]<3.9>", b"BODY[]<9999.10>", b"BODY[2]<4.4>",
    b"BODY[HEADER.FIELDS (Subject)]<3.4>", b"RFC822", b"RFC822.HEADER", b"RFC822.TEXT",
)  # fmt: skip


@pytest.mark.parametrize(
    ("section", "written"),
    [
        (b"BODY[HEADER.FIELDS (Subject)]", b"BODY[HEADER.FIELDS (Subject)] {14}\r\nSubject: x\r\n\r\n"),
        (b"BODY[1]", b"BODY[1] {5}\r\nfirst"),
        (b"BODY[1.MIME]", b"BODY[1.MIME] {2}\r\n\r\n"),
        (b"BODY[2.1]", b"BODY[2.1] {6}\r\ninside"),
        (b"BODY[2.HEADER]", b"BODY[2.HEADER] {25}\r\nSubject: inner\r\nTo: a\r\n\r\n"),
        (b"BODY[3]", b"BODY[3] NIL"),
        (b"BODY[1.HEADER]", b"BODY[1.HEADER] NIL"),
        (b"BODY[]<9999.10>", b"BODY[]<9999> {0}\r\n"),
        (b"BODY[]<0.10>", b"BODY[]<0> {10}\r\nSubject: x"),
    ],
)
def test_sections(section: bytes, written: bytes) -> None:
    assert write_sections(MESSAGE, items(section)) == written


ENCODED = (
    b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\npre\r\n--b\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=3Db=\r\nc\r\n--b\r\n"
    b"Content-Type: application/octet-stream\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--b\r\n"
    b"Content-Type: message/rfc822\r\n\r\nSubject: inner\r\n"
    b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b\r\n"
    b"Content-Transfer-Encoding: x-foo\r\n\r\nzzz\r\n--b--\r\n"
)


@pytest.mark.parametrize(
    ("section", "written"),
    [
        (b"BINARY[1]", b"BINARY[1] {4}\r\na=bc"),
        (b"BINARY.PEEK[1]<1.2>", b"BINARY[1]<1> {2}\r\n=b"),
        (b"BINARY[1]<9.2>", b"BINARY[1]<9> {0}\r\n"),
        (b"BINARY[2]", b"BINARY[2] ~{3}\r\n\0\1\2"),
        (b"BINARY[3]", b"BINARY[3] {58}\r\nSubject: inner\r\nContent-Transfer-Encoding: binary\r\n\r\nhello"),
        (b"BINARY[3.1]", b"BINARY[3.1] {5}\r\nhello"),
        (b"BINARY[9]", b"BINARY[9] NIL"),
        (b"BINARY.SIZE[2]", b"BINARY.SIZE[2] 3"),
        (b"BINARY.SIZE[9]", b"BINARY.SIZE[9] 0"),
        (b"(BINARY[4] BODY[4])", b"BODY[4] {3}\r\nzzz"),
        (b"BINARY[]", b""),
    ],
)
def test_sections_behind_their_encoding(section: bytes, written: bytes) -> None:
    """RFC 3516; the answers are those of Dovecot, but that it writes literal8 for all that was encoded."""
    failed: list[BodyItem] = []
    large = StoredMessage(io.BytesIO(to_disk(ENCODED)))

    assert write_sections(ENCODED, items(section), failed) == written
    assert b"".join(write_large(large, parse_structure(ENCODED), items(section), [])) == written
    assert bool(failed) is (section in (b"BINARY[]", b"(BINARY[4] BODY[4])"))


@pytest.mark.parametrize("section", SECTIONS)
def test_a_large_message_is_written_like_a_small_one(section: bytes) -> None:
    message = StoredMessage(io.BytesIO(to_disk(MESSAGE)))

    pieces = write_large(message, parse_structure(MESSAGE), items(section))

    assert b"".join(pieces) == write_sections(MESSAGE, items(section))


@given(st.integers(0, 100_000), st.integers(1, 100_000))
def test_any_piece_of_a_large_message(start: int, length: int) -> None:
    wire = b"Subject: x\r\n\r\n" + b"line of text\r\n" * 5000
    message = StoredMessage(io.BytesIO(to_disk(wire)))

    pieces = b"".join(write_large(message, None, items(b"BODY[]<%d.%d>" % (start, length))))

    piece = wire[start : start + length]
    assert pieces == b"BODY[]<%d> {%d}\r\n%b" % (start, len(piece), piece)


@pytest.mark.parametrize("size", [10, 8000, 9000, 100_000])
def test_a_header_of_any_length_is_read_without_the_body(size: int) -> None:
    header = b"X-Long: " + b"y" * size + b"\r\n\r\n"
    message = StoredMessage(io.BytesIO(to_disk(header + b"body\r\n" * 100_000)))

    assert read_head(message) == header


def test_a_message_that_is_all_header() -> None:
    assert read_head(StoredMessage(io.BytesIO(b"Subject: x\n"))) == b"Subject: x\r\n"
