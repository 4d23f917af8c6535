"""After a power cut: files that the disk has lost or spoiled are written again from the journal of a dead process."""

import os
import threading
import time

import pytest

from mailadmin.mailqueue import tasks
from mailcore.delivery.batch import LocalRecipient
from mailcore.delivery.recovery import journals, recover, recover_home
from mailcore.mailbox import account as accounts
from mailcore.mailbox import mailbox as mailboxes
from mailcore.message.wire import to_wire
from mailcore.store.folder_lock import FolderLock
from mailcore.store.journal import UNNAMED, Journal, read_segment
from tests.contract.mailbox_support import MESSAGE, a_message, a_recipient, an_arrival, connect
from tests.fakes.crash import a_crash
from tests.fakes.queue_world import QueueWorld
from tests.fixtures_servers import wait_until


@pytest.fixture
def crash(database_url, mail_home):
    with a_crash(database_url, mail_home) as crash:
        yield crash


def test_missing_and_spoiled_files_are_written_again(crash):
    crash.deliver(*(an_arrival([crash.owner.account], content=a_message(str(number))) for number in range(3)))
    crash.dies()
    missing, short, zeroed = crash.files()
    missing.unlink()
    short.write_bytes(short.read_bytes()[:10])
    zeroed.write_bytes(bytes(zeroed.stat().st_size))

    assert recover(crash.owner.conn, crash.home) == 3

    assert [crash.owner.read(uid) for uid in (1, 2, 3)] == [to_wire(a_message(str(number))) for number in range(3)]
    assert list(journals(crash.home).iterdir()) == []
    assert recover(crash.owner.conn, crash.home) == 0


def test_a_spool_file_comes_back_as_long_as_it_is_queued(crash):
    queued, gone = an_arrival([], ["x@elsewhere.test"]), an_arrival([], ["y@elsewhere.test"])
    crash.deliver(queued, gone)
    crash.owner.conn.execute("DELETE FROM queue_recipient WHERE address = 'y@elsewhere.test'")
    crash.owner.conn.execute("DELETE FROM queue_message WHERE queue_id = %s", (gone.queue_id,))
    crash.dies()
    for arrival in (queued, gone):
        crash.spool.discard(arrival.queue_id)

    recover(crash.owner.conn, crash.home)

    with crash.spool.open(queued.queue_id) as message:
        assert message.read() == to_wire(MESSAGE)
    assert not crash.spool.path(gone.queue_id).exists()


def test_an_expunged_message_stays_away(crash):
    crash.deliver(an_arrival([crash.owner.account]))
    bob = crash.owner
    mailboxes.expunge(bob.conn, bob.storage, bob.account, bob.record(), [1], only_deleted=False)
    crash.dies()

    recover(crash.owner.conn, crash.home)

    assert crash.files() == []
    assert crash.owner.open().uids == []


def test_a_message_nobody_was_told_of_is_removed_with_its_half_written_file(crash, monkeypatch):
    monkeypatch.setattr("mailcore.delivery.batch.write_ledgers", lambda *_: pytest.fail("power cut"))
    monkeypatch.setattr("mailcore.delivery.placing.Placing.take_back", lambda *_: None)
    with pytest.raises(pytest.fail.Exception):
        crash.deliver(an_arrival([crash.owner.account]))
    crash.dies()
    [entry_place] = [place for each in _entries(crash) for place in each.places]
    half = crash.home / entry_place.path
    half.parent.mkdir(parents=True, exist_ok=True)
    half.write_bytes(MESSAGE[:20])

    recover(crash.owner.conn, crash.home)

    assert not half.exists()
    assert crash.owner.open().uids == []


def _entries(crash):
    return list(read_segment(crash.journal.folder / "a"))


def test_a_file_that_a_session_took_up_is_kept(crash):
    """The process died between naming the file and COMMIT; a session found the file before the recovery did."""
    crash.deliver(an_arrival([crash.owner.account]))
    crash.owner.conn.execute("UPDATE message SET uid = 9")
    crash.owner.conn.execute("UPDATE mailbox SET uidnext = 10")
    crash.dies()

    recover(crash.owner.conn, crash.home)

    assert crash.owner.read(9) == to_wire(MESSAGE)


def test_a_message_that_was_seen_is_mended_where_it_lies_now(crash):
    crash.deliver(an_arrival([crash.owner.account]))
    crash.owner.open()
    [path] = crash.files()
    if path.parent.name == "new":
        path = path.rename(path.parent.parent / "cur" / f"{path.name}:2,S")
    crash.dies()
    path.write_bytes(b"")

    assert recover(crash.owner.conn, crash.home) == 1

    assert crash.files() == [path]
    assert to_wire(path.read_bytes()) == to_wire(MESSAGE)


def test_the_journal_of_a_living_process_is_left_alone(crash):
    crash.deliver(an_arrival([crash.owner.account]))
    [path] = crash.files()
    path.unlink()

    assert recover(crash.owner.conn, crash.home) == 0

    crash.journal.close()
    crash.owner.open()


def test_without_a_journal_nobody_asks_the_database(mail_home):
    assert recover_home("postgresql://nobody:x@127.0.0.1:1/none", mail_home) == 0


def test_half_a_message_whose_expunge_was_lost_with_the_power_does_not_come_back(crash):
    crash.deliver(an_arrival([crash.owner.account]))
    owner = crash.owner
    [uid] = owner.open().uids
    [file] = crash.files()
    mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), [uid], only_deleted=False)
    crash.dies()
    file.write_bytes(b"From: ha")

    assert recover(owner.conn, crash.home) == 0

    assert owner.open().uids == []
    assert crash.files() == []


def test_a_file_that_a_session_took_up_before_the_commit_failed_is_made_good_too(crash):
    """The sender was told to come again; whoever saw the message sees all of it."""
    crash.deliver(an_arrival([crash.owner.account]))
    owner = crash.owner
    owner.conn.execute("DELETE FROM message")
    owner.conn.execute("UPDATE mailbox SET messages = 0, unseen = 0, size = 0")
    owner.conn.execute("UPDATE account_usage SET messages = 0, bytes = 0")
    assert owner.open().uids == [2]
    crash.dies()
    for file in crash.files():
        file.write_bytes(b"From: ha")

    assert recover(owner.conn, crash.home) == 1

    assert owner.read(2) == to_wire(MESSAGE)


def test_a_spoiled_file_under_two_names_becomes_one_whole_message_with_its_flags(crash):
    crash.deliver(an_arrival([crash.owner.account]))
    [new] = crash.files()
    crash.dies()
    seen = new.parent.parent / "cur" / f"{new.name}:2,S"
    new.write_bytes(b"")
    seen.hardlink_to(new)

    assert recover(crash.owner.conn, crash.home) == 1

    assert crash.files() == [seen]
    assert crash.owner.open().uids == [1]
    assert crash.owner.read(1) == to_wire(MESSAGE)
    assert crash.owner.flags() == {1: ["\\Seen"]}


def test_a_message_of_a_mailbox_that_was_renamed_is_made_good_where_it_is_now(crash):
    owner = crash.owner
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Lists")
    filed = LocalRecipient(a_recipient("bob+lists@mail.test"), owner.account, "Lists")
    crash.deliver(an_arrival([filed]))
    accounts.rename_mailbox(owner.conn, owner.storage, owner.account, "Lists", "Old/Lists")
    crash.dies()
    [file] = crash.home.joinpath("mail").rglob("new/*")
    file.write_bytes(b"From: ha")

    assert recover(owner.conn, crash.home) == 1

    assert owner.read(1, "Old/Lists") == to_wire(MESSAGE)
    assert not list(crash.home.joinpath("mail").rglob(".Lists"))


def test_a_folder_whose_maker_died_before_it_had_its_name_is_removed(crash):
    nobody, locked, gone = (_unnamed(crash, name) for name in ("nobody", "locked", "gone"))
    maker = FolderLock.create(locked)
    FolderLock.create(gone).release()
    (gone / "a").touch()
    for folder in (nobody, locked, gone):
        os.utime(folder, (1, 1))

    recover(crash.owner.conn, crash.home)

    assert sorted(journals(crash.home).iterdir()) == sorted([crash.journal.folder, locked])
    maker.release()


def test_a_folder_that_is_just_being_made_is_left_alone(crash):
    """Between its mkdir and its lock nobody holds it."""
    made, filled = _unnamed(crash, "made"), _unnamed(crash, "filled")
    FolderLock.create(filled).release()
    for folder in (made, filled):
        os.utime(folder, (time.time() - 1800, time.time() - 1800))

    recover(crash.owner.conn, crash.home)

    assert list(made.iterdir()) == [] and [path.name for path in filled.iterdir()] == ["lock"]


def _unnamed(crash, name):
    folder = journals(crash.home) / f"{UNNAMED}{name}"
    folder.mkdir()
    return folder


def test_a_worker_recovers_the_dead_beside_the_living(crash, django_database, settings, monkeypatch):
    """A machine that stays dead starts nothing that would recover its journal."""
    crash.deliver(an_arrival([crash.owner.account], content=a_message("of the dead")))
    [of_the_dead], dead = crash.files(), crash.journal
    crash.dies()
    crash.journal = Journal(journals(crash.home), crash.home, keep_s=3600.0)
    crash.deliver(an_arrival([crash.owner.account], content=a_message("of the living")))
    [of_the_living] = set(crash.files()) - {of_the_dead}
    for path in (of_the_dead, of_the_living):
        path.unlink()
    world = QueueWorld(django_database, crash.home)
    monkeypatch.setattr(tasks.worker, "current", world.worker)
    settings.MAIL_HOME = crash.home

    tasks.recover_journals()

    world.close()
    assert crash.files() == [of_the_dead] and of_the_dead.read_bytes() == a_message("of the dead")
    assert list(journals(crash.home).iterdir()) == [crash.journal.folder] and not dead.folder.exists()
    assert [entry.content for entry in _entries(crash)] == [a_message("of the living")]
    crash.dies()
    assert recover(crash.owner.conn, crash.home) == 1


def test_nothing_is_asked_of_the_database_where_nobody_is_dead(crash):
    crash.deliver(an_arrival([crash.owner.account]))

    assert recover(None, crash.home, wait=False) == 0

    assert len(_entries(crash)) == 1


def test_a_recovery_that_failed_is_done_by_who_waited_for_it(crash):
    crash.deliver(an_arrival([crash.owner.account]))
    crash.dies()
    crash.files()[0].unlink()
    failing = FolderLock.take(crash.journal.folder)
    threading.Timer(0.2, failing.release).start()

    assert recover(crash.owner.conn, crash.home) == 1


def test_a_message_that_is_expunged_meanwhile_does_not_come_back(crash, database_url):
    crash.deliver(an_arrival([crash.owner.account]))
    crash.dies()
    [path] = crash.files()
    path.write_bytes(b"")
    bob, restored = crash.owner, []

    with connect(database_url) as other:
        recovery = threading.Thread(target=lambda: restored.append(recover(other, crash.home)))
        with bob.conn.transaction():
            mailboxes.expunge(bob.conn, bob.storage, bob.account, bob.record(), [1], only_deleted=False)
            recovery.start()
            wait_until(lambda: restored or _is_waiting_for_a_lock(bob.conn), what="the recovery is at this mailbox")
        recovery.join(10)

    assert restored == [0] and crash.files() == []


def _is_waiting_for_a_lock(conn):
    return conn.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0]
