"""Rows of messages by their UIDs: read as a run of UIDs or one by one, nobody notices which."""

from datetime import UTC, datetime, timedelta

import pytest

from mailcore.index.index import cached_rows, flag_rows, message_rows
from mailcore.index.records import FlagRow
from mailcore.mailbox import mailbox as mailboxes
from tests.contract.mailbox_support import an_owner


@pytest.fixture
def mailbox(database_url, mail_home):
    """A connection, the mailbox, and its UIDs 1 to 20 without 5 and 6."""
    with an_owner(database_url, mail_home, store="maildir") as owner:
        for _ in range(20):
            owner.append()
        mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), [5, 6], only_deleted=False)
        yield owner.conn, owner.record().id


@pytest.mark.parametrize("rows", [message_rows, flag_rows, cached_rows])
@pytest.mark.parametrize(
    ("asked", "there"),
    [
        ([], []),
        ([7], [7]),
        ([6], []),
        (range(3, 9), [3, 4, 7, 8]),
        ([8, 4, 3], [3, 4, 8]),
        ([2, 4, 5, 8], [2, 4, 8]),
        ([1, 20], [1, 20]),
        (range(15, 40), [15, 16, 17, 18, 19, 20]),
    ],
)
def test_those_that_exist_and_no_others_in_order(mailbox, rows, asked, there):
    conn, mailbox_id = mailbox

    assert [row.uid for row in rows(conn, mailbox_id, asked)] == there


@pytest.mark.parametrize("rows", [message_rows, flag_rows, cached_rows])
def test_all_without_uids(mailbox, rows):
    conn, mailbox_id = mailbox

    assert [row.uid for row in rows(conn, mailbox_id)] == [*range(1, 5), *range(7, 21)]


def test_rows_with_envelopes_say_the_same_as_the_others(mailbox):
    conn, mailbox_id = mailbox
    conn.execute("UPDATE message SET keywords = '{b,a}', internal_date = '1999-12-31 23:59:58.7+00' WHERE uid = 3")
    epoch = datetime(2000, 1, 1, tzinfo=UTC)

    for cached, plain in zip(cached_rows(conn, mailbox_id), flag_rows(conn, mailbox_id), strict=True):
        moment = epoch + timedelta(microseconds=cached.internal_us)
        assert FlagRow(*cached[:3], cached.keywords or [], cached.size, moment) == plain
    assert [row.keywords for row in cached_rows(conn, mailbox_id, [2, 3])] == [None, ["b", "a"]]
