"""SORT (RFC 5256 section 2.2, RFC 5957)."""

from datetime import UTC, datetime, timedelta

import pytest

from mailcore.mailbox import search_text, sort_rows
from mailcore.mailbox.sorting import Criterion, SortBy, sort
from tests.contract.mailbox_support import an_owner

FIRST = datetime(2024, 5, 1, 12, tzinfo=UTC)
MESSAGES = [
    b"From: Zoe <anna@x.test>\nTo: b@x.test\nCc: d@x.test\nSubject: Re: banana\nDate: 2 Jan 2024 10:00:00 +0000\n\n",
    b"From: bert@x.test\nTo: Team: a@x.test;\nSubject: =?utf-8?q?=C3=84pfel?=\nDate: 2 Jan 2024 09:30:00 -0100\n\nm\n",
    # No date, and an address without a name.
    b"From: Carl@x.test\nSubject: [list] Apfel (fwd)\n\nlonger still\n",
    # A date without a time that can be read; a year before 1900.
    b"From: =?utf-8?q?=C3=84nne?= <dora@x.test>\nCc: a@x.test\nSubject: BANANA\nDate: Tue, 2 Jan 2024 later\n\n"
    + b"x" * 50,
    b"From: (nobody)\nSubject: \nDate: Thu, 18 Jul 0102 19:51:35 -0100\n\n",
]


@pytest.fixture(params=["cached", "fresh", "in blocks", "expunged before"])
def owner(request, database_url, mail_home, monkeypatch):
    with an_owner(database_url, mail_home) as owner:
        if request.param == "expunged before":
            owner.append()
            owner.conn.execute("UPDATE mailbox SET uidnext = 11")
        for number, message in enumerate(MESSAGES):
            owner.append(message, at=FIRST - timedelta(days=number))
        if request.param == "cached":
            list(rows_of(owner))
        if request.param == "in blocks":
            monkeypatch.setattr(sort_rows, "_BLOCK", 2)
        yield owner


def rows_of(owner):
    uids = owner.open(read_only=True).uids[-len(MESSAGES) :]
    return sort_rows.SortRows(owner.conn, owner.storage, owner.account, owner.record()).read(uids)


def in_order(owner, *criteria):
    """The messages, counted from 1, after SORT."""
    uids = owner.open(read_only=True).uids[-len(MESSAGES) :]
    found = sort(owner.conn, owner.storage, owner.account, owner.record(), criteria, uids)
    return [uids.index(uid) + 1 for uid in found]


@pytest.mark.parametrize(
    ("criteria", "expected"),
    [
        ([SortBy(Criterion.ARRIVAL)], [5, 4, 3, 2, 1]),
        ([SortBy(Criterion.SIZE), SortBy(Criterion.ARRIVAL)], [3, 5, 1, 2, 4]),
        # 4 at midnight, 1 at 10:00, 2 at 10:30, then INTERNALDATE: 5 on 27 April, 3 on 29 April.
        ([SortBy(Criterion.DATE)], [4, 1, 2, 5, 3]),
        ([SortBy(Criterion.DATE, reverse=True)], [3, 5, 2, 1, 4]),
        # "", APFEL, A + diaeresis + PFEL, BANANA twice.
        ([SortBy(Criterion.SUBJECT)], [5, 3, 2, 1, 4]),
        ([SortBy(Criterion.SUBJECT), SortBy(Criterion.DATE)], [5, 3, 2, 4, 1]),
        # Equal ones stay in the order of the mailbox.
        ([SortBy(Criterion.SUBJECT, reverse=True)], [1, 4, 2, 3, 5]),
        # addr-mailbox: "", anna, bert, Carl, dora.
        ([SortBy(Criterion.FROM)], [5, 1, 2, 3, 4]),
        # None three times, then b, then the group Team.
        ([SortBy(Criterion.TO)], [3, 4, 5, 1, 2]),
        ([SortBy(Criterion.CC)], [2, 3, 5, 4, 1]),
        # "", A + diaeresis + NNE, bert@, Carl@, Zoe.
        ([SortBy(Criterion.DISPLAYFROM)], [5, 4, 2, 3, 1]),
        ([SortBy(Criterion.DISPLAYTO)], [3, 4, 5, 1, 2]),
        ([SortBy(Criterion.SUBJECT), SortBy(Criterion.ARRIVAL, reverse=True)], [5, 3, 2, 1, 4]),
    ],
    ids=lambda value: " ".join(each.criterion.value for each in value) if isinstance(value[0], SortBy) else "",
)
def test_sort(owner, criteria, expected):
    assert in_order(owner, *criteria) == expected


def test_a_message_that_is_gone_keeps_its_place_among_the_numbers(owner):
    uids = owner.open(read_only=True).uids[-len(MESSAGES) :]
    owner.conn.execute("DELETE FROM message WHERE uid = %s", (uids[2],))

    found = sort(owner.conn, owner.storage, owner.account, owner.record(), [SortBy(Criterion.SUBJECT)], uids)

    assert sorted(found) == list(uids)


def test_nothing_is_read_of_messages_for_size_and_arrival(owner):
    owner.conn.execute("UPDATE message SET envelope = NULL")

    assert in_order(owner, SortBy(Criterion.ARRIVAL)) == [5, 4, 3, 2, 1]
    assert owner.conn.execute("SELECT count(envelope) FROM message").fetchone() == (0,)


@pytest.mark.parametrize("position", [2, 5, 6])
@pytest.mark.parametrize(
    "envelope",
    [
        b'("d" "s" NIL NIL NIL NIL NIL NIL NIL NIL)',
        b'("d" NIL (("A \\"q\\" \\\\" NIL "a" "x")) ((NIL NIL "s" "x")) NIL (("T" "@r" "t" "y")(NIL NIL "u" "z")) '
        b'((NIL NIL "G" NIL)'
        b'(NIL NIL "c" "x")(NIL NIL NIL NIL)) NIL NIL NIL)',
        b'({3}\r\na"( NIL ((NIL NIL {2}\r\nab "x")) NIL NIL ((NIL NIL "t" "y")) NIL NIL NIL NIL)',
        b'("NIL" "((" ((NIL NIL "" "")) NIL NIL NIL (("N" NIL {1}\r\nc "x")) NIL NIL NIL)',
        b"",
    ],
)
def test_the_first_address_is_the_same_by_the_short_way(envelope, position):
    row = sort_rows.SortRow(1, 1, 1, None, None, envelope, is_cached=True)
    addresses = search_text.read_envelope(envelope, position + 1)[position]

    assert row._first_address(position) == (addresses[0] if addresses else [])
