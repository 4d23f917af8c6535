"""A change of flags that waits for the mailbox builds on what was committed meanwhile, not on what it saw before."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from mailcore.db.pool import configure
from mailcore.errors import MailboxNotFound
from mailcore.index.index import lock_for_flags
from mailcore.index.records import FLAGGED, SEEN, FlagChange, FlagMode, Flags
from mailcore.mailbox import account as accounts
from mailcore.mailbox import mailbox as mailboxes
from tests.contract.mailbox_support import Owner, an_owner

WAITS = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


@pytest.fixture
def owner(database_url, mail_home):
    with an_owner(database_url, mail_home, store="maildir") as owner:
        yield owner
        owner.assert_counters()


@pytest.fixture
def other(database_url):
    with psycopg.connect(database_url) as conn:
        configure(conn)
        yield conn


def flag(conn, owner: Owner, record, uids):
    change = FlagChange(FlagMode.ADD, Flags(FLAGGED))
    return mailboxes.set_flags(conn, owner.storage, owner.account, record, uids, change)


def while_one_waits(owner: Owner, other, uids, deed):
    """What STORE returns on `other` if `deed` is done in the transaction it waits for."""
    record = owner.record()
    with ThreadPoolExecutor(1) as pool:
        with owner.conn.transaction():
            lock_for_flags(owner.conn, record.id, uids)
            waiting = pool.submit(flag, other, owner, record, uids)
            until_somebody_waits(owner)
            deed()
        return waiting.result(10)


def until_somebody_waits(owner: Owner) -> None:
    deadline = time.monotonic() + 5
    while not owner.conn.execute(WAITS).fetchone()[0]:
        assert time.monotonic() < deadline, "nobody waits for the mailbox"
        threading.Event().wait(0.01)


@pytest.mark.parametrize("messages", [1, 2])
def test_flags_set_meanwhile_stay(owner, other, messages):
    uids = [owner.append() for _ in range(messages)]
    seen = FlagChange(FlagMode.ADD, Flags(SEEN))

    def deed():
        mailboxes.set_flags(owner.conn, owner.storage, owner.account, owner.record(), uids, seen)

    result = while_one_waits(owner, other, uids, deed)

    assert [row.flags for row in result.rows] == [SEEN | FLAGGED] * messages
    assert owner.flags() == {uid: ["\\Flagged", "\\Seen"] for uid in uids}
    assert {row.modseq for row in result.rows} == {owner.record().highestmodseq}
    scanned = owner.storage.store(owner.account).scan("INBOX").messages
    assert {flags.bits for flags in scanned.values()} == {SEEN | FLAGGED}


@pytest.mark.parametrize("messages", [1, 2])
def test_a_message_expunged_meanwhile_gets_none(owner, other, messages):
    uids = [owner.append() for _ in range(messages)]

    def deed():
        mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), uids, only_deleted=False)

    result = while_one_waits(owner, other, uids, deed)

    assert (result.rows, result.modseq) == ([], 0)


def test_the_message_of_a_deleted_mailbox_is_not_just_gone(owner):
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Short")
    record = accounts.get_mailbox(owner.conn, owner.account, "Short")
    accounts.delete_mailbox(owner.conn, owner.storage, owner.account, "Short")

    with pytest.raises(MailboxNotFound):
        flag(owner.conn, owner, record, [1])
