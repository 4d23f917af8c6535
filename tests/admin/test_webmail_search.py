"""The search field: what it understands, and that it finds."""

from datetime import date
from pathlib import Path

import pytest

from mailadmin.webmail.people import bare_address, short_people
from mailadmin.webmail.search_query import SearchQuery, parse_query
from mailcore.index.records import FLAGGED, SEEN
from mailcore.mailbox.search_keys import (
    All,
    And,
    Comparison,
    DateField,
    DateKey,
    FlagKey,
    Header,
    Not,
    Or,
    Size,
    Text,
)
from tests.admin.webmail_support import a_message, a_message_with_file, a_reader


def word(value: str) -> Or:
    return Or(Header("Subject", value), Or(Header("From", value), Header("To", value)))


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("plan", (word("plan"),)),
        ('plan "two words"', (word("plan"), word("two words"))),
        ("from:ann -to:bob", (Header("From", "ann"), Not(Header("To", "bob")))),
        ('subject:"a b', (Header("Subject", "a b"),)),
        ("is:unread is:flagged", (FlagKey(SEEN, is_set=False), FlagKey(FLAGGED))),
        ("after:2026-01-31", (DateKey(DateField.INTERNAL, Comparison.SINCE, date(2026, 1, 31)),)),
        ("larger:5MB", (Size(5 << 20, is_larger=True),)),
        ("is:nonsense", (word("is:nonsense"),)),
        ("after:yesterday", (word("after:yesterday"),)),
        ("http://x", (word("http://x"),)),
    ],
)
def test_what_is_understood(text, keys):
    assert parse_query(text) == SearchQuery(And(keys))


def test_attachments_and_everywhere():
    assert parse_query("has:attachment") == SearchQuery(All(), attachments=True)
    assert parse_query("-has:attachment x", everywhere=True) == SearchQuery(And((Text("x"),)), attachments=False)


@pytest.mark.parametrize("text", ["", " ", '"', "-", ":", "::", '""', "a:" * 500, "-" * 500, "from:"])
def test_nonsense_is_searched_as_it_is(text):
    parse_query(text)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("Ann Example <ann@x.example>", "Ann Example"),
        ('"Example, Ann" <ann@x.example>, bob@x.example', "Example, Ann, bob@x.example"),
        ("<ann@x.example>", "ann@x.example"),
        ("", ""),
        (", ".join(f"p{n}@x" for n in range(9)), "p0@x, p1@x, p2@x, p3@x and 5 more"),
    ],
)
def test_names_for_the_list(text, short):
    assert short_people(text) == short


def test_the_address_itself():
    assert bare_address('"Example, Ann" <ann@x.example>') == "ann@x.example"
    assert bare_address(" ann@x.example ") == "ann@x.example"


@pytest.fixture
def alice(db, settings, mail_home: Path, redis_url):
    settings.MAIL_HOME, settings.REDIS_URL = mail_home, redis_url
    reader = a_reader("alice@linuxadmin.dev", mail_home)
    reader.receive(a_message("The garden", "about roses"))
    reader.receive(a_message("Minutes", "about the garden", From="Carol <carol@far.example>"), bits=SEEN)
    reader.receive(a_message_with_file('"report.pdf"'))
    return reader


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("garden", ["The garden"]),
        ("GARDEN ann", ["The garden"]),
        ("carol", ["Minutes"]),
        ("is:read", ["Minutes"]),
        ("has:attachment", ["File"]),
        ("-has:attachment", ["The garden", "Minutes"]),
        ("text:roses", ["The garden"]),
        ("from:ann -subject:garden", ["File"]),
        ("nowhere", []),
    ],
)
def test_what_is_found(alice, query, found):
    page = alice.page(alice.list_url(), q=query)

    for subject in ("The garden", "Minutes", "File"):
        assert (f"Tick {subject}" in page) is (subject in found), subject


def test_the_text_as_well_when_asked(alice):
    page = alice.page(alice.list_url(), q="garden")
    assert "Search the text as well" in page and "Tick Minutes" not in page

    assert "Tick Minutes" in alice.page(alice.list_url(), **{"q": "garden", "in": "text"})


def test_what_was_searched_is_shown_as_text(alice):
    page = alice.page(alice.list_url(), q='<script>"x')

    assert "Nothing found for" in page and "<script>&quot;" not in page and "&lt;script&gt;" in page
