"""mailcore.message.summary: the row of a message. Never raises; always valid IMAP text; fits PostgreSQL."""

import random
import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.message.summary import MAX_MESSAGE_ID, MAX_PEOPLE, MAX_SUBJECT, summarise
from mailcore.message.wire import to_wire
from tests.unit.mailcore.message.corpus import messages, own
from tests.unit.mailcore.message.imap_reader import check_body, check_envelope, read
from tests.unit.mailcore.message.test_structure import ANY_MAIL


def check(data):
    summary = summarise(data)
    check_envelope(read(summary.envelope))
    check_body(read(summary.body_structure), extended=True)
    for text, most in (
        (summary.subject, MAX_SUBJECT),
        (summary.sender, MAX_PEOPLE),
        (summary.recipients, MAX_PEOPLE),
        (summary.message_id, MAX_MESSAGE_ID),
    ):
        assert len(text) <= most
        assert not set("\0\r\n") & set(text)
        text.encode("utf-8")
    assert summary.sent_at is None or summary.sent_at.tzinfo is UTC
    return summary


def test_the_row_of_an_ordinary_message():
    summary = check(own("plain.eml"))

    assert summary.subject == "Lunch"
    assert summary.sender == "Ann Other <ann@example.net>"
    assert summary.recipients == "Builder, Bob <bob@example.org>, carol@example.org, Dave <dave@example.org>"
    assert summary.sent_at == datetime(2025, 11, 20, 12, 0, tzinfo=UTC)
    assert summary.message_id == "<lunch-1@example.net>"
    assert not summary.has_attachments


def test_disk_form_and_wire_form_give_the_same_row():
    for _, data in messages():
        assert summarise(data) == summarise(to_wire(data))


def test_texts_are_decoded_for_people():
    summary = check(own("newsletter.eml"))

    assert (summary.subject, summary.sender) == ("Neues aus dem Café", "Café Blau <news@example.com>")
    assert summary.has_attachments


def test_an_encoded_word_cannot_smuggle_lines():
    assert check(own("hostile.eml")).subject.startswith("A  Bcc: evil@example")


@pytest.mark.parametrize(
    ("name", "has_attachments"),
    [
        ("plain.eml", False),
        ("newsletter.eml", True),
        ("file-names.eml", True),
        ("forwarded.eml", True),
        ("unclosed.eml", False),
        ("boundary-missing.eml", False),
        ("empty.eml", False),
        ("hostile.eml", False),
    ],
)
def test_what_counts_as_an_attachment(name, has_attachments):
    assert check(own(name)).has_attachments is has_attachments


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        (b"Content-Type: image/png\n", True),
        (b"Content-Type: image/png\nContent-ID: <x@y>\n", False),
        (b"Content-Type: image/png\nContent-ID: <x@y>\nContent-Disposition: attachment\n", True),
        (b"Content-Type: application/pgp-signature\n", False),
        (b"Content-Type: text/plain\nContent-Disposition: attachment; filename=x.txt\n", True),
        (b"Content-Type: text/plain; name=x.txt\n", False),
        (b"Content-Type: text/calendar; name=x.ics\n", True),
        (b"Content-Type: text/html\n", False),
        (b"Content-Type: message/rfc822\n", True),
        (b"Content-Type: audio/ogg\n", True),
    ],
)
def test_parts_that_count_as_attachments(part, counts):
    data = b"Content-Type: multipart/mixed; boundary=a\n\n--a\n\ntext\n--a\n" + part + b"\nx\n--a--\n"

    assert check(data).has_attachments is counts


def test_a_second_to_field_hides_nobody():
    summary = check(b"From: x@y\nTo: a@b\nTo: c@d\n\n")

    assert summary.recipients == "a@b, c@d"


def test_huge_fields_stay_within_what_an_index_takes():
    data = (
        b"Subject: " + "ü".encode() * 100_000 + b"\nMessage-ID: <" + b"x" * 100_000 + b"@y>\nFrom: "
        + b"n" * 100_000 + b" <a@b>\nTo: " + b"someone@example.org, " * 50_000 + b"\n\n"
    )  # fmt: skip

    summary = check(data)

    assert len(summary.message_id.encode()) <= 2400
    assert len(summary.recipients) == MAX_PEOPLE


def test_the_corpus_has_valid_rows():
    for _, data in messages():
        check(data)


def test_the_corpus_with_damage_has_valid_rows():
    """Every message cut, doubled and with octets replaced, the same way in each run."""
    chance = random.Random(2025)
    for _, data in messages():
        damaged = bytearray(data[:20_000])
        for _ in range(len(damaged) // 200 + 1):
            if damaged:
                damaged[chance.randrange(len(damaged))] = chance.choice(b'\0\n\r":;=<>()@,-\\ \xff')
        check(bytes(damaged))
        check(bytes(damaged[: chance.randrange(len(damaged) + 1)]))


@given(ANY_MAIL)
def test_any_bytes_have_a_valid_row(data):
    check(data)


@given(st.binary(max_size=400))
def test_any_header_has_a_valid_row(data):
    check(b"From: " + data + b"\nDate: " + data + b"\nSubject: " + data + b"\n\n")


def test_four_kibibytes_take_less_than_half_a_millisecond():
    data = own("plain.eml") + b"line of text in a mail that is neither short nor long\n" * 60
    assert 3500 < len(data) < 4700
    summarise(data)

    best = min(timed(data) for _ in range(20))

    assert best < 0.0005


def timed(data):
    started = time.process_time()
    for _ in range(10):
        summarise(data)
    return (time.process_time() - started) / 10
