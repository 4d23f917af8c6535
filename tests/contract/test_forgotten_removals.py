"""Which UIDs were removed is forgotten one day, and nobody is told less than has happened because of it."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.errors import MailboxNotFound
from mailcore.index import forgetting
from mailcore.index.records import Changes
from mailcore.mailbox import account as accounts
from mailcore.mailbox import mailbox as mailboxes
from tests.contract.mailbox_support import Owner, an_owner, connect

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


@pytest.fixture
def owner(database_url, mail_home):
    with an_owner(database_url, mail_home) as owner:
        yield owner
        owner.assert_counters()


def expunge(owner: Owner, *uids: int) -> int:
    """Remove messages; returns the modseq of it."""
    mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), list(uids), only_deleted=False)
    return owner.record().highestmodseq


def remembered(owner: Owner) -> list[int]:
    return [uid for (uid,) in owner.conn.execute("SELECT uid FROM expunged ORDER BY uid")]


def forget(owner: Owner, before: datetime = LONG_AGO, **bounds: int) -> int:
    return forgetting.forget(owner.conn, owner.record().id, before, **bounds)


def changes(owner: Owner, modseq: int) -> Changes:
    return mailboxes.changes_since(owner.conn, owner.record().id, modseq)


def test_who_asks_for_what_is_forgotten_is_told_what_there_is(owner):
    uids = [owner.append() for _ in range(5)]
    known = owner.record().highestmodseq
    forgotten = expunge(owner, *uids[:2])
    expunge(owner, uids[3])

    assert forget(owner, most_kept=1) == 2
    new = owner.append()

    old = changes(owner, known)
    assert (old.present, old.expunged) == ([uids[2], uids[4], new], [])
    assert old.gone(uids) == [uids[0], uids[1], uids[3]]
    assert [row.uid for row in old.changed] == [new]
    # Whoever has seen the last of what is forgotten misses nothing.
    young = changes(owner, forgotten)
    assert (young.present, young.expunged, young.gone(uids)) == (None, [uids[3]], [uids[3]])


def test_removals_are_forgotten_by_age(owner):
    uids = [owner.append() for _ in range(3)]
    expunge(owner, uids[0])
    expunge(owner, uids[1])
    owner.conn.execute("UPDATE expunged SET at = now() - interval '31 days' WHERE uid = %s", [uids[0]])
    before = datetime.now(UTC) - forgetting.KEPT

    assert forgetting.overdue(owner.conn, before) == [owner.record().id]
    assert forget(owner, before) == 1
    assert forgetting.overdue(owner.conn, before) == []

    assert remembered(owner) == [uids[1]]
    assert forget(owner, before) == 0


def test_removals_are_forgotten_by_number_some_at_a_time(owner):
    uids = [owner.append() for _ in range(9)]
    modseqs = [expunge(owner, uid) for uid in uids]

    assert forgetting.overdue(owner.conn, LONG_AGO, most_kept=9) == []
    assert forgetting.overdue(owner.conn, LONG_AGO, most_kept=3) == [owner.record().id]
    assert [forget(owner, most_kept=3, at_once=4) for _ in range(3)] == [4, 2, 0]

    assert remembered(owner) == uids[6:]
    assert changes(owner, modseqs[4]).present == []
    assert changes(owner, modseqs[5]).expunged == uids[6:]


def test_what_was_removed_together_is_forgotten_together(owner):
    uids = [owner.append() for _ in range(6)]
    expunge(owner, *uids)

    assert forget(owner, most_kept=2, at_once=1) == 6
    assert remembered(owner) == []


def test_the_horizon_never_sinks(owner):
    uids = [owner.append() for _ in range(2)]
    modseqs = [expunge(owner, uid) for uid in uids]
    forget(owner, most_kept=0)
    owner.conn.execute("INSERT INTO expunged VALUES (%s, %s, %s)", [owner.record().id, uids[0], modseqs[0]])

    forget(owner, most_kept=0)

    assert changes(owner, modseqs[0]).present == []


def test_the_horizon_rises_in_the_transaction_that_deletes(owner, database_url):
    """Somebody who asks in the middle of it is answered out of what there was."""
    uids = [owner.append() for _ in range(2)]
    known = owner.record().highestmodseq
    expunge(owner, uids[0])
    with connect(database_url) as other, other.transaction():
        assert forgetting.forget(other, owner.record().id, LONG_AGO, most_kept=0) == 1
        assert changes(owner, known).expunged == [uids[0]]

    assert changes(owner, known).gone(uids) == [uids[0]]


def test_a_mailbox_that_is_gone_has_nothing_to_forget(owner):
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Old")
    mailbox_id = owner.record("Old").id
    accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "Old")

    with pytest.raises(MailboxNotFound):
        forgetting.forget(owner.conn, mailbox_id, LONG_AGO)


def test_a_removal_of_now_is_not_old(owner):
    uid = owner.append()
    expunge(owner, uid)

    assert forgetting.overdue(owner.conn, datetime.now(UTC) - timedelta(minutes=1)) == []
    assert forget(owner, datetime.now(UTC) - timedelta(minutes=1)) == 0
    assert remembered(owner) == [uid]


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_gone_is_the_same_whether_remembered_or_not(known, removed):
    told = Changes(9, 31, [], sorted(removed))
    present = Changes(9, 31, [], [], sorted(set(range(1, 31)) - removed))

    assert set(told.gone(known)) & known == set(present.gone(known)) == removed & known


def test_what_is_newer_than_the_answer_is_not_gone():
    assert Changes(9, 5, [], [], [4]).gone([3, 4, 5, 6]) == [3]
