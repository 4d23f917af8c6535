"""deliver_batch on real files and a real database: what is acknowledged is there, what is not leaves nothing."""

import errno
import os
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from mailcore.delivery.batch import LocalRecipient, deliver_batch
from mailcore.errors import MailError, StoreUnavailable
from mailcore.mailbox import account as accounts
from mailcore.message.wire import to_wire
from mailcore.outcome import Deferred, Delivered
from mailcore.store import files
from mailcore.store.mbox.lock import locked_for_writing
from tests.contract.mailbox_support import (
    MESSAGE,
    Owner,
    a_message,
    a_recipient,
    a_spool,
    an_arrival,
    an_owner,
    insert_account,
)

LIFETIME_S = 432000


@pytest.fixture(params=["maildir", "mbox"])
def bob(request, database_url, mail_home):
    with an_owner(database_url, mail_home, store=request.param) as owner:
        yield owner
        owner.assert_counters()


@pytest.fixture
def spool(mail_home):
    return a_spool(mail_home)


def another(owner: Owner, local: str, store: str = "maildir") -> Owner:
    return Owner(owner.conn, owner.storage, insert_account(owner.conn, local, store=store))


def deliver(owner: Owner, spool, *arrivals):
    return deliver_batch(owner.conn, owner.storage, spool, arrivals, LIFETIME_S)


def queued(owner: Owner) -> list[tuple[str, str]]:
    return owner.conn.execute(
        """
        SELECT queue_id, address FROM queue_recipient
        JOIN queue_message ON queue_message.id = queue_recipient.message_id ORDER BY address
        """
    ).fetchall()


def all_files(home: Path) -> list[Path]:
    """Files with mail in them, wherever they are."""
    found = [path for path in home.rglob("*") if path.is_file() and path.stat().st_size]
    return [path for path in found if path.name not in ("secret_key", "keywords")]


def test_a_message_arrives_once_and_is_unseen(bob, spool):
    [[outcome]] = deliver(bob, spool, an_arrival([bob.account]))

    opened = bob.open()
    assert isinstance(outcome, Delivered)
    assert (outcome.relay, outcome.reply.code) == ("local", 250)
    assert opened.uids == [1]
    assert opened.first_unseen_uid == opened.first_recent_uid == 1
    assert bob.read(1) == to_wire(MESSAGE)


def test_a_batch_for_one_mailbox_gets_uids_in_order(bob, spool):
    arrivals = [an_arrival([bob.account], content=a_message(str(number))) for number in range(5)]

    answers = deliver(bob, spool, *arrivals)

    assert all(isinstance(outcome, Delivered) for [outcome] in answers)
    assert bob.open().uids == [1, 2, 3, 4, 5]
    assert [bob.read(uid) for uid in range(1, 6)] == [to_wire(a_message(str(number))) for number in range(5)]
    assert bob.record().highestmodseq == 2


def test_one_transaction_raises_modseq_once_and_counts(bob, spool):
    deliver(bob, spool, an_arrival([bob.account]), an_arrival([bob.account]))

    record = bob.record()
    assert (record.messages, record.unseen, record.size) == (2, 2, 2 * len(to_wire(MESSAGE)))


def test_several_recipients_in_both_formats_get_one_message_each(bob, spool):
    ann, carl = another(bob, "ann"), another(bob, "carl", "mbox")

    [outcomes] = deliver(bob, spool, an_arrival([ann.account, bob.account, carl.account]))

    assert [type(outcome) for outcome in outcomes] == [Delivered] * 3
    assert [str(outcome.recipient.address) for outcome in outcomes] == [
        "ann@mail.test",
        "bob@mail.test",
        "carl@mail.test",
    ]
    for owner in (ann, bob, carl):
        assert owner.open().uids == [1]
        assert owner.read(1) == to_wire(MESSAGE)
        owner.assert_counters()


def test_maildirs_share_the_file(database_url, mail_home, spool):
    with an_owner(database_url, mail_home) as bob:
        ann = another(bob, "ann")

        deliver(bob, spool, an_arrival([ann.account, bob.account], ["x@elsewhere.test"]))

        assert len({path.stat().st_ino for path in all_files(mail_home)}) == 1
        assert len(all_files(mail_home)) == 3


def test_two_addresses_of_one_mailbox_give_one_copy(bob, spool):
    twice = [LocalRecipient(a_recipient(address), bob.account) for address in ("bob@mail.test", "bob+x@mail.test")]

    [outcomes] = deliver(bob, spool, an_arrival(twice))

    assert [str(outcome.recipient.address) for outcome in outcomes] == ["bob@mail.test", "bob+x@mail.test"]
    assert bob.open().uids == [1]


def test_a_named_mailbox_is_used_and_one_that_is_not_there_means_inbox(bob, spool):
    there = LocalRecipient(a_recipient("bob+junk@mail.test"), bob.account, "Junk")
    missing = LocalRecipient(a_recipient("bob+none@mail.test"), bob.account, "None")

    deliver(bob, spool, an_arrival([there, missing]))

    assert bob.open("Junk").uids == [1]
    assert bob.open().uids == [1]


def test_an_account_nobody_logged_into_yet_gets_its_inbox(bob, spool):
    new = another(bob, "new", bob.account.store)

    deliver(bob, spool, an_arrival([new.account]))

    assert new.names() == ["INBOX"]
    assert new.open().uids == [1]
    accounts.ensure_account(new.conn, new.storage, new.account)
    assert "Sent" in new.names()
    new.assert_counters()


def test_content_in_a_file_is_delivered_and_the_file_stays_the_callers(bob, spool, mail_home):
    incoming = mail_home / "spool" / "incoming" / "one"
    incoming.write_bytes(MESSAGE)

    deliver(bob, spool, an_arrival([bob.account], ["x@elsewhere.test"], incoming))
    incoming.unlink()

    assert bob.read(1) == to_wire(MESSAGE)
    [(queue_id, _)] = queued(bob)
    with spool.open(queue_id) as message:
        assert message.read() == to_wire(MESSAGE)


def test_remote_recipients_are_queued_with_their_content(bob, spool):
    arrival = an_arrival([bob.account], ["x@elsewhere.test", "y@elsewhere.test"])

    [outcomes] = deliver(bob, spool, arrival)

    assert len(outcomes) == 1
    assert queued(bob) == [(arrival.queue_id, "x@elsewhere.test"), (arrival.queue_id, "y@elsewhere.test")]
    with spool.open(arrival.queue_id) as message:
        assert message.read() == to_wire(MESSAGE)


def test_only_remote_recipients(bob, spool):
    answers = deliver(bob, spool, an_arrival([], ["x@elsewhere.test"]), an_arrival([], ["y@elsewhere.test"]))

    assert answers == [[], []]
    assert len(queued(bob)) == 2


def test_nothing_is_left_in_tmp(bob, spool, mail_home):
    deliver(bob, spool, an_arrival([bob.account], ["x@elsewhere.test"]), an_arrival([bob.account]))

    assert [path for path in mail_home.rglob("tmp/*") if path.is_file()] == []


def test_a_locked_mbox_does_not_stop_others_and_its_mail_waits_in_the_queue(
    database_url, mail_home, spool, monkeypatch
):
    monkeypatch.setattr("mailcore.delivery.placing.MBOX_LOCK_TIMEOUT_S", 0.1)
    with an_owner(database_url, mail_home, local="locked", store="mbox") as locked:
        ann = another(locked, "ann")
        arrival = an_arrival([ann.account, locked.account])

        with locked_for_writing(locked.storage.mbox(locked.account).file("INBOX")):
            [outcomes] = deliver(locked, spool, arrival)

        assert [type(outcome) for outcome in outcomes] == [Delivered, Deferred]
        assert outcomes[1].reply.is_temporary
        assert queued(locked) == [(arrival.queue_id, "locked@mail.test")]
        with spool.open(arrival.queue_id) as message:
            assert message.read() == to_wire(MESSAGE)
        assert (ann.open().uids, locked.open().uids) == ([1], [])


def test_a_full_disk_fails_one_message_and_leaves_nothing_of_it(bob, spool, mail_home, monkeypatch):
    real = files.write_all

    def full(fd, data):
        if b"too much" in data:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(fd, data)

    monkeypatch.setattr(files, "write_all", full)
    ann = another(bob, "ann")
    accounts.ensure_account(ann.conn, ann.storage, ann.account)

    answers = deliver(bob, spool, an_arrival([ann.account], content=a_message("too much")), an_arrival([bob.account]))

    assert isinstance(answers[0], StoreUnavailable)
    assert answers[0].temporary
    assert isinstance(answers[1], list)
    assert (ann.open().uids, bob.open().uids) == ([], [1])
    assert not [path for path in all_files(mail_home) if b"too much" in path.read_bytes()]


@pytest.mark.parametrize("step", ["contents", "directories"])
def test_a_disk_that_cannot_sync_acknowledges_nothing(bob, spool, mail_home, monkeypatch, step):
    def broken(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync" if step == "contents" else "fsync", broken)
    arrival = an_arrival([bob.account], ["x@elsewhere.test"])

    [answer] = deliver(bob, spool, arrival)

    monkeypatch.undo()
    assert isinstance(answer, MailError)
    assert answer.temporary
    assert queued(bob) == []
    assert bob.open().uids == []
    assert all_files(mail_home) == []


def test_a_database_that_fails_leaves_no_file(bob, spool, mail_home, monkeypatch):
    def lost(*_):
        raise psycopg.OperationalError("the connection is lost")

    monkeypatch.setattr("mailcore.delivery.batch.write_ledgers", lost)

    with pytest.raises(psycopg.OperationalError):
        deliver(bob, spool, an_arrival([bob.account], ["x@elsewhere.test"]), an_arrival([bob.account]))

    assert all_files(mail_home) == []
    assert bob.open().uids == []


def test_an_unanswered_commit_keeps_the_files(bob, spool, mail_home, monkeypatch):
    """Nobody knows whether the rows are there: a duplicate is allowed, a loss is not."""
    deliver(bob, spool, an_arrival([bob.account]))
    conn = psycopg.connect(bob.conn.info.dsn, password=bob.conn.info.password, autocommit=True)
    real = bob.storage.sync.directories

    @contextmanager
    def loses_the_connection_behind_the_rows(paths):
        with real(paths):
            yield
        bob.conn.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))

    monkeypatch.setattr(bob.storage.sync, "directories", loses_the_connection_behind_the_rows)

    with pytest.raises(psycopg.OperationalError):
        deliver_batch(conn, bob.storage, spool, [an_arrival([bob.account], content=a_message("second"))], LIFETIME_S)

    assert bob.open().uids == [1, 2]
    assert b"second" in bob.read(2)


def test_an_account_that_was_deleted_meanwhile_fails_alone(bob, spool, mail_home):
    gone = another(bob, "gone")
    bob.conn.execute("DELETE FROM account WHERE id = %s", (gone.account.id,))

    answers = deliver(bob, spool, an_arrival([bob.account]), an_arrival([gone.account]), an_arrival([bob.account]))

    assert [type(answer) for answer in answers] == [list, StoreUnavailable, list]
    assert bob.open().uids == [1, 2]
    assert not [path for path in all_files(mail_home) if "gone" in path.parts]


def test_delivery_parses_nothing(bob, spool, monkeypatch):
    monkeypatch.setattr("mailcore.mailbox.cache.summarise", lambda data: pytest.fail("parsed"))

    deliver(bob, spool, an_arrival([bob.account]))

    assert bob.conn.execute("SELECT envelope, subject FROM message").fetchall() == [(None, None)]


def test_mail_for_an_account_whose_volume_is_not_mounted_waits_in_the_queue(bob, spool, mail_home):
    """It must not look like a new account, or the next look at the store would drop every message it had."""
    deliver(bob, spool, an_arrival([bob.account]))
    folder = mail_home / "mail" / "mail.test" / "bob"
    folder.rename(folder.with_name("unmounted"))

    [[outcome]] = deliver(bob, spool, an_arrival([bob.account]))

    assert isinstance(outcome, Deferred)
    assert not folder.exists()
    assert [address for _, address in queued(bob)] == ["bob@mail.test"]
    with pytest.raises(StoreUnavailable):
        accounts.ensure_account(bob.conn, bob.storage, bob.account)
    folder.with_name("unmounted").rename(folder)
    assert bob.open().uids == [1]
