"""A search in a large folder ends in time: it shows what it has found, says how far it got, and goes on from there."""

import re
from datetime import UTC, datetime
from html import unescape
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qsl

import pytest

from mailadmin.database import raw_connection
from mailadmin.mailboxes.models import Message
from mailadmin.webmail import listing, searching
from mailadmin.webmail.listing import ListQuery, list_page
from mailadmin.webmail.search_query import parse_query
from mailcore.index.records import SEEN, MailboxRecord
from mailcore.mailbox import cache, indexing, search, search_index
from mailcore.mailbox.account import list_mailboxes
from tests.admin.webmail_support import a_message, a_message_with_file, a_reader

COUNT = 40


@pytest.fixture
def alice(db, settings, mail_home: Path, redis_url):
    """Forty messages, every fourth about roses, every other one read."""
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    reader = a_reader("alice@linuxadmin.dev", mail_home)
    for number in range(1, COUNT + 1):
        subject = f"Roses {number}." if number % 4 == 0 else f"Other {number}."
        reader.receive(a_message(subject, f"text of {number}"), bits=SEEN if number % 2 else 0)
    return reader


@pytest.fixture(autouse=True)
def time_enough(monkeypatch):
    """However busy the machine is."""
    monkeypatch.setattr(listing, "SEARCH_S", 60.0)
    monkeypatch.setattr(listing, "COUNT_S", 60.0)


@pytest.fixture
def small_pieces(monkeypatch):
    """Pieces of five, pages of three."""
    monkeypatch.setattr(searching, "SMALLEST", 5)
    monkeypatch.setattr(searching, "GROWTH", 1)
    monkeypatch.setattr(listing, "PAGE_SIZE", 3)


def record(reader) -> MailboxRecord:
    """The mailbox as mailcore knows it."""
    return list_mailboxes(raw_connection(), reader.ref)[0]


def joined(pages) -> list[int]:
    return list(chain.from_iterable(pages))


def walk(reader, link: str, **query: str) -> list[list[int]]:
    """The numbers of the messages on each page, following the links called `link`."""
    pages = []
    while True:
        html = reader.page(reader.list_url(), **query)
        pages.append([int(number) for number in re.findall(r"Tick \w+ (\d+)\.", html)])
        found = re.search(rf'data-{link}="\?([^"]*)"', html)
        if found is None:
            return pages
        assert len(pages) <= COUNT, "the pages do not end"
        query = dict(parse_qsl(unescape(found[1])))


def test_a_search_goes_on_where_its_time_was_up(alice, small_pieces, monkeypatch):
    monkeypatch.setattr(listing, "SEARCH_S", 0.0)
    monkeypatch.setattr(listing, "COUNT_S", 0.0)

    first = alice.page(alice.list_url(), q="roses")
    assert "At least 2 messages with" in first and "Search the older ones" in first
    assert "1–2 of 2+" in first
    pages = walk(alice, "older", q="roses")

    assert joined(pages) == list(range(COUNT, 0, -4)) and len(pages) == COUNT // 5


def test_nothing_found_so_far_is_not_nothing(alice, small_pieces, monkeypatch):
    monkeypatch.setattr(listing, "SEARCH_S", 0.0)
    found = alice.page(alice.list_url(), q='"other 1."')

    assert "Nothing found so far for" in found and "No message matches so far" in found
    assert joined(walk(alice, "older", q='"other 1."')) == [1]


def test_nobody_counts_what_a_frequent_word_finds(alice, small_pieces, monkeypatch):
    monkeypatch.setattr(searching, "ENOUGH", 4)
    monkeypatch.setattr(listing, "ENOUGH", 4)

    first = alice.page(alice.list_url(), q="other")
    assert "At least 7 messages with" in first and "1–3 of 7+" in first
    assert "Search the older ones" not in first and "takes a while" not in first
    others = [number for number in range(COUNT, 0, -1) if number % 4]

    assert joined(walk(alice, "older", q="other")) == others
    up = walk(alice, "newer", q="other", before="2")
    assert joined(reversed(up)) == others


def test_pages_of_a_search_that_is_complete_know_where_they_are(alice, small_pieces):
    pages = [alice.page(alice.list_url(), q="roses", before=str(uid)) for uid in (COUNT + 1, 32, 20, 8)]

    for page, position in zip(pages, ("1–3 of 10", "4–6 of 10", "7–9 of 10", "10–10 of 10"), strict=False):
        assert f">{position}<" in page, position
    assert "10 messages with" in pages[0] and "At least" not in pages[0]
    assert "No older message matches" in alice.page(alice.list_url(), q="roses", before="2")


def test_a_page_reads_no_more_messages_than_it_needs(alice, small_pieces, monkeypatch):
    """Of 200,000 messages with a frequent word, none is asked for that is not on the first pages."""
    asked: set[int] = set()
    real = cache.cached_rows
    monkeypatch.setattr(searching, "ENOUGH", 4)
    monkeypatch.setattr(cache, "cached_rows", lambda conn, store, mailbox_id, uids: (
        asked.update(uids), real(conn, store, mailbox_id, uids))[1])  # fmt: skip

    page = list_page(alice.ref, record(alice), ListQuery("other"))

    assert len(page.rows) == 3
    assert asked and min(asked) > COUNT - 15


def test_flags_are_read_of_the_messages_in_question_only(alice, monkeypatch):
    """Not those of the whole folder again for each block."""
    read: list[int] = []
    real = search.flag_rows_between
    monkeypatch.setattr(search, "flag_rows_between", lambda *span: (rows := real(*span), read.append(len(rows)))[0])

    found = searching.search_for(alice.ref, record(alice), parse_query("is:unread"), [12, 11, 10, 9], 1.0)

    assert found == searching.Found([12, 10]) and read == [4]


def test_pieces_grow_while_there_is_time_but_never_so_far_that_they_could_be_long(alice, monkeypatch):
    pieces: list[list[int]] = []

    def matching(account, mailbox, wanted, piece, index):
        pieces.append(piece)
        return set()

    monkeypatch.setattr(searching, "_matching", matching)
    uids = range(10_000, 0, -1)

    assert searching.search_for(alice.ref, record(alice), parse_query("x"), uids, 60.0) == searching.Found([])
    sizes = [len(piece) for piece in pieces]
    assert sizes[:2] == [25, 100] and max(sizes) == 500 and sum(sizes) == 10_000
    pieces.clear()
    assert searching.search_for(alice.ref, record(alice), parse_query("x"), uids, 0.0).reached == 9976
    assert pieces == [list(range(9976, 10_001))]


def test_a_piece_is_no_larger_than_what_there_is_time_for(monkeypatch):
    clock = SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    monkeypatch.setattr(searching, "time", clock)
    sizes = []

    for piece in searching._Pace(8.0, 10_000).divide(range(10_000)):
        sizes.append(len(piece))
        clock.now += len(piece) / 100
        if clock.now > 8.0:
            break

    assert sizes == [25, 100, 337, 169, 84, 42, 25, 25]


def test_what_the_index_rules_out_is_not_looked_at(alice, monkeypatch):
    """Two hundred thousand messages are one question to the index, and no row of them is read."""
    index_mailbox(alice)
    monkeypatch.setattr(search_index, "_FEW", 0)
    asked: list[int] = []
    real = searching.search
    monkeypatch.setattr(searching, "search", lambda *args, **kwargs: (
        asked.extend(args[5]), real(*args, **kwargs))[1])  # fmt: skip
    uids = range(COUNT, 0, -1)

    found = searching.search_for(alice.ref, record(alice), parse_query("roses other"), uids, 60.0)
    assert found == searching.Found([]) and asked == []
    found = searching.search_for(alice.ref, record(alice), parse_query('"roses 8."'), uids, 60.0)
    assert found == searching.Found([8]) and asked == [8]


def index_mailbox(reader) -> None:
    while indexing.extend(raw_connection(), reader.storage, reader.ref, reader.mailbox().pk):
        pass


NARROWED = (
    "is:unread",
    "is:unread is:unread roses",
    "is:read is:unread",
    "is:read -roses",
    "larger:1KB",
    "smaller:1KB roses",
    "has:attachment",
    "-has:attachment other",
    "before:2026-01-01",
    "on:2026-03-03 roses",
    "after:2026-03-03 -other",
    "on:9999-12-31",
    "before:0001-01-01",
)


def test_what_is_narrowed_down_first_is_found_as_without(alice):
    """Rows are chosen by their columns, words by the index; what SEARCH finds without either is the answer."""
    for name in ("one.pdf", "two.pdf"):
        alice.receive(a_message_with_file(name))
    for number in range(1, COUNT + 3):
        at = datetime(2026, 3, 1 + number % 5, 23, 59, 59, tzinfo=UTC)
        Message.objects.filter(mailbox=alice.mailbox(), uid=number).update(internal_date=at, size=100 * number)
    mailbox = record(alice)
    without = {text: found_by_search(alice, mailbox, text) for text in NARROWED}

    assert {text: found_by_page(alice, mailbox, text) for text in NARROWED} == without
    index_mailbox(alice)
    assert {text: found_by_page(alice, mailbox, text) for text in NARROWED} == without
    assert [len(found) for found in without.values()] == [22, 10, 0, 20, 32, 2, 2, 30, 0, 2, 7, 0, 0]


def found_by_page(reader, mailbox: MailboxRecord, text: str) -> list[int]:
    page = list_page(reader.ref, mailbox, ListQuery(text))
    assert page.is_counted and page.total == len(page.rows)
    return [row.uid for row in page.rows]


def found_by_search(reader, mailbox: MailboxRecord, text: str) -> list[int]:
    wanted = parse_query(text)
    found = search.search(raw_connection(), reader.storage, reader.ref, mailbox, wanted.key, reader.uids())
    rows = Message.objects.filter(mailbox=reader.mailbox(), uid__in=found).order_by("-uid")
    if wanted.attachments is not None:
        rows = rows.filter(has_attachments=wanted.attachments)
    return list(rows.values_list("uid", flat=True))
