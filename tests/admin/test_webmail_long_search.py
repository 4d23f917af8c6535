"""A search in a large folder ends in time: it shows what it has found, says how far it got, and goes on from there."""

import re
from html import unescape
from itertools import chain
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from mailadmin.database import raw_connection
from mailadmin.webmail import listing, searching
from mailadmin.webmail.listing import ListQuery, list_page
from mailadmin.webmail.search_query import parse_query
from mailcore.index.records import SEEN, MailboxRecord
from mailcore.mailbox import cache, search
from mailcore.mailbox.account import list_mailboxes
from tests.admin.webmail_support import a_message, a_reader

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


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks of five, pages of three."""
    monkeypatch.setattr(searching, "SMALLEST", 5)
    monkeypatch.setattr(searching, "LARGEST", 5)
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


def test_a_search_goes_on_where_its_time_was_up(alice, small_blocks, monkeypatch):
    monkeypatch.setattr(listing, "SEARCH_S", 0.0)
    monkeypatch.setattr(listing, "COUNT_S", 0.0)

    first = alice.page(alice.list_url(), q="roses")
    assert "At least 2 messages with" in first and "Search the older ones" in first
    assert "1–2 of 2+" in first
    pages = walk(alice, "older", q="roses")

    assert joined(pages) == list(range(COUNT, 0, -4)) and len(pages) == COUNT // 5


def test_nothing_found_so_far_is_not_nothing(alice, small_blocks, monkeypatch):
    monkeypatch.setattr(listing, "SEARCH_S", 0.0)
    found = alice.page(alice.list_url(), q='"other 1."')

    assert "Nothing found so far for" in found and "No message matches so far" in found
    assert joined(walk(alice, "older", q='"other 1."')) == [1]


def test_nobody_counts_what_a_frequent_word_finds(alice, small_blocks, monkeypatch):
    monkeypatch.setattr(searching, "ENOUGH", 4)
    monkeypatch.setattr(listing, "ENOUGH", 4)

    first = alice.page(alice.list_url(), q="other")
    assert "At least 7 messages with" in first and "1–3 of 7+" in first
    assert "Search the older ones" not in first and "takes a while" not in first
    others = [number for number in range(COUNT, 0, -1) if number % 4]

    assert joined(walk(alice, "older", q="other")) == others
    up = walk(alice, "newer", q="other", before="2")
    assert joined(reversed(up)) == others


def test_pages_of_a_search_that_is_complete_know_where_they_are(alice, small_blocks):
    pages = [alice.page(alice.list_url(), q="roses", before=str(uid)) for uid in (COUNT + 1, 32, 20, 8)]

    for page, position in zip(pages, ("1–3 of 10", "4–6 of 10", "7–9 of 10", "10–10 of 10"), strict=False):
        assert f">{position}<" in page, position
    assert "10 messages with" in pages[0] and "At least" not in pages[0]
    assert "No older message matches" in alice.page(alice.list_url(), q="roses", before="2")


def test_a_page_reads_no_more_messages_than_it_needs(alice, small_blocks, monkeypatch):
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


def test_blocks_grow_while_they_are_quick_and_shrink_when_they_are_not(alice, monkeypatch):
    sizes: list[int] = []

    def matching(account, mailbox, wanted, block):
        sizes.append(len(block))
        return set()

    monkeypatch.setattr(searching, "_matching", matching)
    uids = range(10_000, 0, -1)

    assert searching.search_for(alice.ref, record(alice), parse_query("x"), uids, 60.0) == searching.Found([])
    assert sizes[:4] == [25, 50, 100, 200] and max(sizes) == 2000 and sum(sizes) == 10_000
    sizes.clear()
    monkeypatch.setattr(searching, "QUICK_S", -1.0)
    assert searching.search_for(alice.ref, record(alice), parse_query("x"), uids, 0.0).reached == 9976
    assert sizes == [25]
