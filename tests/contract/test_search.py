"""SEARCH over real messages in both stores: every key of RFC 3501 section 6.4.4."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mailcore.index.records import ANSWERED, DELETED, FLAGGED, SEEN
from mailcore.mailbox import search as searching
from mailcore.mailbox import search_index
from mailcore.mailbox.indexing import extend
from mailcore.mailbox.search import search
from mailcore.mailbox.search_keys import (
    Age,
    All,
    And,
    Body,
    Comparison,
    DateField,
    DateKey,
    FlagKey,
    Header,
    Keyword,
    ModSeq,
    Not,
    Or,
    Recent,
    SeqSet,
    Size,
    Text,
    UidSet,
)
from tests.contract.mailbox_support import an_owner

PLAIN = b"""\
From: Ann Example <ann@example.org>, carl@example.net
To: "Bob, the" <bob@mail.test>
Subject: Lunch at noon
Date: Wed, 17 Jul 1996 23:23:25 -0700
Message-ID: <one@example.org>
X-Thing: a value

See you at the caf\xc3\xa9.
"""
ENCODED = b"""\
From: =?utf-8?q?J=C3=BCrgen_M=C3=BCller?= <jm@example.de>
To: undisclosed-recipients:;
Cc: dora@example.org
Bcc: secret@example.org
Subject: =?utf-8?b?w5xiZXJnYWJl?=
Date: 1 Feb 2021 10:00 +0100
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/plain; charset=iso-8859-1
Content-Transfer-Encoding: quoted-printable

Gr=FC=DFe aus K=F6ln
--b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: base64

PHA+TmFja3RlIFphaGxlbjwvcD4=
--b
Content-Type: application/octet-stream
Content-Disposition: attachment; filename=needle.bin

the haystack
--b
Content-Type: message/rfc822

Subject: The inner letter

inner words
--b--
"""
BROKEN = b"no header at all\n\njust words\nFrom here on\n"


@pytest.fixture(params=["maildir", "mbox", "indexed"])
def owner(request, database_url, mail_home, monkeypatch):
    store = request.param if request.param in ("maildir", "mbox") else "maildir"
    with an_owner(database_url, mail_home, store=store) as owner:
        # UID 1 is expunged, so that sequence numbers and UIDs differ.
        owner.append()
        owner.conn.execute("UPDATE mailbox SET uidnext = 11")
        owner.storage.store(owner.account).delete_mailbox("INBOX")
        owner.open()
        owner.append(PLAIN, "\\Seen", "\\Answered", "work", at=datetime(2024, 5, 1, 23, 30, tzinfo=UTC))
        owner.append(ENCODED, "\\Flagged", "Work", at=datetime(2024, 5, 2, 0, 30, tzinfo=UTC))
        owner.append(BROKEN, "\\Deleted", at=datetime.now(UTC) - timedelta(hours=2))
        if request.param == "indexed":
            # The same answers must come from the index, which is not asked for so few messages.
            monkeypatch.setattr(search_index, "_FEW", 0)
            assert extend(owner.conn, owner.storage, owner.account, owner.record().id)
        yield owner


def found(owner, key, first_recent_uid=None):
    opened = owner.open(read_only=True)
    assert opened.uids == [11, 12, 13]
    hits = search(owner.conn, owner.storage, owner.account, opened.record, key, opened.uids, first_recent_uid)
    return [uid - 10 for uid in hits]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (All(), [1, 2, 3]),
        (And(()), [1, 2, 3]),
        (FlagKey(SEEN), [1]),
        (FlagKey(SEEN, is_set=False), [2, 3]),
        (And((FlagKey(ANSWERED), Keyword("WORK"))), [1]),
        (Keyword("work"), [1, 2]),
        (Keyword("work", is_set=False), [3]),
        (Or(FlagKey(DELETED), FlagKey(FLAGGED)), [2, 3]),
        (Not(Or(FlagKey(DELETED), FlagKey(FLAGGED))), [1]),
        (Recent(), [2, 3]),
        (Recent(is_set=False), [1]),
        (And((Recent(), FlagKey(SEEN, is_set=False))), [2, 3]),
        (UidSet(((12, None),)), [2, 3]),
        (UidSet(((None, 12),)), [2, 3]),
        (UidSet(((99, None),)), [3]),
        (UidSet(((1, 9), (11, 11))), [1]),
        (UidSet(((13, 12), (11, 11), (12, 12), (12, 99))), [1, 2, 3]),
        (UidSet(((13, 13), (1, 2), (11, 11), (1, 3))), [1, 3]),
        (SeqSet(((2, 3),)), [2, 3]),
        (SeqSet(((3, 3), (1, 1), (3, None))), [1, 3]),
        (SeqSet(((None, None),)), [3]),
        (SeqSet(((3, 1),)), [1, 2, 3]),
        (Not(SeqSet(((1, 2),))), [3]),
        (ModSeq(1), [1, 2, 3]),
        (ModSeq(10**6), []),
        (Age(3600, is_younger=True), []),
        (Age(3 * 3600, is_younger=True), [3]),
        (Age(3600, is_younger=False), [1, 2, 3]),
    ],
)
def test_keys_that_rows_answer(owner, key, expected):
    assert found(owner, key, first_recent_uid=12) == expected


@pytest.mark.parametrize(
    ("comparison", "day", "expected"),
    [
        (Comparison.BEFORE, date(2024, 5, 2), [1]),
        (Comparison.ON, date(2024, 5, 2), [2]),
        (Comparison.SINCE, date(2024, 5, 2), [2, 3]),
        (Comparison.BEFORE, date(2024, 5, 1), []),
    ],
)
def test_internal_dates_are_compared_by_day(owner, comparison, day, expected):
    assert found(owner, DateKey(DateField.INTERNAL, comparison, day)) == expected


@pytest.mark.parametrize(
    ("comparison", "day", "expected"),
    [
        # In UTC it would be the 18th.
        (Comparison.ON, date(1996, 7, 17), [1]),
        (Comparison.SINCE, date(1996, 7, 18), [2]),
        (Comparison.BEFORE, date(2021, 2, 1), [1]),
        (Comparison.ON, date(2021, 2, 1), [2]),
    ],
)
def test_sent_dates_are_the_day_as_written(owner, comparison, day, expected):
    assert found(owner, DateKey(DateField.SENT, comparison, day)) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("From", "ann example", [1]),
        ("From", "ANN@EXAMPLE.ORG", [1]),
        ("From", "carl@", [1]),
        ("From", "<ann@", [1]),
        ("from", "jürgen mü", [2]),
        ("FROM", "MÜLLER", [2]),
        ("From", "example", [1, 2]),
        ("From", "here", []),
        ("To", "bob, the", [1]),
        ("Cc", "dora", [2]),
        ("Bcc", "secret", [2]),
        ("Subject", "übergabe", [2]),
        ("Subject", "lunch AT", [1]),
        ("Subject", "inner", []),
        ("X-Thing", "A VALUE", [1]),
        ("x-thing", "", [1]),
        ("Message-ID", "one@", [1]),
        ("Subject", "", [1, 2]),
        ("X-None", "", []),
        ("Käse", "x", []),
    ],
)
def test_header_keys(owner, name, value, expected):
    assert found(owner, Header(name, value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("CAFÉ", [1]),
        ("grüße aus köln", [2]),
        ("GRÜßE AUS", [2]),
        ("nackte zahlen", [2]),
        ("inner words", [2]),
        ("the inner letter", [2]),
        ("haystack", []),
        ("lunch", []),
        ("just words", [3]),
        ("from here", [3]),
    ],
)
def test_body_is_searched_decoded(owner, value, expected):
    assert found(owner, Body(value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("lunch", [1]),
        ("x-thing: a", [1]),
        ("needle.bin", [2]),
        ("übergabe", [2]),
        ("café", [1]),
        ("example", [1, 2]),
    ],
)
def test_text_is_header_and_body(owner, value, expected):
    assert found(owner, Text(value)) == expected


@pytest.mark.parametrize(("is_larger", "expected"), [(True, [2]), (False, [1, 3])])
def test_size(owner, is_larger, expected):
    assert found(owner, Size(400, is_larger)) == expected


@pytest.mark.parametrize("owner", ["maildir"], indirect=True)
def test_of_few_messages_of_a_large_mailbox_only_their_rows_are_read(owner, monkeypatch):
    """One of two hundred thousand is not worth the flags of all between the first and the last."""
    asked: list[list[int]] = []
    real = searching.flag_rows
    monkeypatch.setattr(searching, "flag_rows", lambda conn, mailbox_id, uids: (
        asked.append(uids), real(conn, mailbox_id, uids))[1])  # fmt: skip
    record, view = owner.record(), [11, 12, 13]

    def matching(among):
        return search(owner.conn, owner.storage, owner.account, record, FlagKey(SEEN), view, among=among)

    assert matching({11, 13}) == [11] and asked == []
    monkeypatch.setattr(searching, "_SPARSE", 0.5)
    assert matching({11, 13}) == [11] and asked == [[11, 13]]


@pytest.mark.parametrize("owner", ["maildir", "mbox"], indirect=True)
def test_files_are_opened_only_for_what_is_left(owner, monkeypatch):
    opened: list[str] = []
    store = type(owner.storage.store(owner.account))
    real = store.read_each

    def noting(self, mailbox, messages, **limits):
        opened.extend(key for key, _ in messages)
        return real(self, mailbox, messages, **limits)

    monkeypatch.setattr(store, "read_each", noting)

    assert found(owner, And((Body("inner"), FlagKey(FLAGGED), Not(Body("nothing of it"))))) == [2]

    assert len(set(opened)) == 1


@pytest.mark.parametrize("owner", ["maildir", "mbox"], indirect=True)
def test_a_message_that_vanished_matches_nothing_in_it(owner):
    view = owner.open(read_only=True)
    owner.storage.store(owner.account).delete_mailbox("INBOX")

    for key in (Body("words"), Text("lunch"), Header("X-Thing", "")):
        assert search(owner.conn, owner.storage, owner.account, view.record, key, view.uids) == []
