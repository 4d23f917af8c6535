"""A session that finds rows without files before anybody has recovered: what a journal still holds is not lost."""

import pytest

from mailcore.delivery.batch import LocalRecipient
from mailcore.delivery.recovery import recover
from mailcore.errors import StoreUnavailable
from mailcore.index.records import SEEN, FlagChange, FlagMode, Flags
from mailcore.mailbox import account as accounts
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.convert import convert
from mailcore.mailbox.rebuild import rebuild_account
from mailcore.message.wire import to_wire
from mailcore.store.folder_lock import FolderLock
from mailcore.store.maildir import deliver
from tests.contract.mailbox_support import MESSAGE, a_message, a_recipient, an_arrival
from tests.fakes.crash import a_crash


@pytest.fixture
def crash(database_url, mail_home):
    with a_crash(database_url, mail_home) as crash:
        yield crash


@pytest.fixture
def owner(crash):
    return crash.owner


def arrives(crash, *subjects):
    """Messages that are delivered while the journal is in use; returns their files."""
    before = set(crash.files())
    crash.deliver(*(an_arrival([crash.owner.account], content=a_message(subject)) for subject in subjects))
    return sorted(set(crash.files()) - before)


def lose(*paths):
    for path in paths:
        path.unlink()


def test_what_a_dead_node_had_acknowledged_is_there_for_the_session_that_looks_first(crash, owner):
    lost = arrives(crash, "0", "1", "2")[:2]
    crash.dies()
    lose(*lost)

    assert owner.open().uids == [1, 2, 3]

    assert [owner.read(uid) for uid in (1, 2, 3)] == [to_wire(a_message(str(number))) for number in range(3)]
    assert recover(owner.conn, crash.home) == 0, "everything was there"
    assert owner.open().uids == [1, 2, 3] and len(crash.files()) == 3


def test_what_a_journal_holds_that_is_still_locked_is_neither_dropped_nor_written(crash, owner):
    lose(*arrives(crash, "a"))

    for _ in range(2):
        assert owner.open().uids == [1], "the row waits, and is looked at again"
        assert crash.files() == []

    crash.dies()
    assert owner.open().uids == [1]
    assert owner.read(1) == to_wire(a_message("a"))


def test_while_somebody_else_recovers_the_row_waits(crash, owner):
    lose(*arrives(crash, "a"))
    crash.dies()
    recovering = FolderLock.take(crash.journal.folder)

    assert owner.open().uids == [1] and crash.files() == []

    recovering.release()
    assert recover(owner.conn, crash.home) == 1
    assert owner.open().uids == [1]


def test_a_session_that_is_open_sees_nothing_vanish(crash, owner):
    lost = arrives(crash, "a")
    record = owner.open().record
    crash.dies()
    lose(*crash.files())
    assert lost

    mailboxes.refresh(owner.conn, owner.storage, owner.account, record)

    changes = mailboxes.changes_since(owner.conn, record.id, record.highestmodseq)
    assert not changes.expunged and len(crash.files()) == 1


def test_what_another_program_removes_is_noticed_after_the_checkpoint(crash, owner):
    lose(*arrives(crash, "a"))
    assert owner.open().uids == [1]

    crash.journal.close()

    assert owner.open().uids == []


def test_what_no_journal_holds_is_noticed_at_once(crash, owner):
    owner.append(a_message("old"))
    [old] = crash.files()
    arrives(crash, "young")
    lose(old)

    assert owner.open().uids == [2]


def test_a_file_that_got_other_flags_is_not_missing(crash, owner):
    [path] = arrives(crash, "a")
    seen = path.rename(path.parent.parent / "cur" / f"{path.name}:2,S")
    crash.dies()

    assert owner.open().uids == [1]
    assert crash.files() == [seen] and owner.flags() == {1: ["\\Seen"]}


def test_a_message_comes_back_with_the_flags_it_has_now(crash, owner):
    crash.append(a_message("flagged"), "\\Flagged", "work")
    crash.append(a_message("plain"))
    crash.append(a_message("unflagged"), "\\Flagged")
    add, replace = (FlagChange(mode, Flags(bits)) for mode, bits in ((FlagMode.ADD, SEEN), (FlagMode.REPLACE, 0)))
    for uids, change in (([1, 2], add), ([3], replace)):
        mailboxes.set_flags(owner.conn, owner.storage, owner.account, owner.record(), uids, change)
    crash.dies()
    lose(*crash.files())

    assert owner.open().uids == [1, 2, 3]

    assert owner.flags() == {1: ["\\Flagged", "\\Seen", "work"], 2: ["\\Seen"], 3: []}
    assert len(crash.files()) == 3 and recover(owner.conn, crash.home) == 0


def test_a_message_that_was_moved_is_not_taken_for_the_one_it_was(crash, owner):
    arrives(crash, "moved", "stays")
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Lists")
    mailboxes.move(owner.conn, owner.storage, owner.account, owner.record(), [1], "Lists")
    crash.dies()
    [moved] = crash.home.joinpath("mail").rglob(".Lists/cur/*")
    lose(moved)

    assert owner.open("Lists").uids == [], "somebody has removed it: its new name is in no journal"
    assert owner.open().uids == [2] and len(crash.files()) == 1


def test_another_message_with_the_same_uid_is_not_the_one_in_the_journal(crash, owner):
    """As after a conversion, which gives messages other keys."""
    [path] = arrives(crash, "a")
    crash.dies()
    other = path.rename(path.with_name("17.other"))
    owner.conn.execute("UPDATE message SET store_key = '17.other'")
    assert owner.open().uids == [1]
    lose(*crash.home.joinpath("mail").rglob("17.other*"))
    assert not other.exists()

    assert owner.open().uids == [] and crash.files() == []


def test_a_move_of_a_message_whose_file_is_missing_leaves_its_row(crash, owner):
    """It stays in the source, and the recovery finds that it was promised."""
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Lists")
    arrives(crash, "lost", "there")
    lost = [path for path in crash.files() if b"Subject: lost" in path.read_bytes()]
    crash.dies()
    lose(*lost)

    moved = mailboxes.move(owner.conn, owner.storage, owner.account, owner.record(), [1, 2], "Lists")

    assert moved.source == [2]
    assert recover(owner.conn, crash.home) == 1
    assert owner.open().uids == [1] and owner.read(1) == to_wire(a_message("lost"))


def test_renaming_inbox_leaves_the_rows_whose_files_are_missing(crash, owner):
    lost, _ = arrives(crash, "lost", "there")
    crash.dies()
    is_lost = next(uid for uid in (1, 2) if to_wire(lost.read_bytes()) == owner.read(uid))
    lose(lost)

    accounts.rename_mailbox(owner.conn, owner.storage, owner.account, "INBOX", "Old")

    assert len(owner.open("Old").uids) == 1 and owner.open().uids == [is_lost]


def test_a_folder_that_was_lost_with_its_messages_comes_back_where_the_mailbox_is_now(crash, owner):
    accounts.create_mailbox(owner.conn, owner.storage, owner.account, "Lists")
    crash.deliver(an_arrival([LocalRecipient(a_recipient("bob+lists@mail.test"), owner.account, "Lists")]))
    accounts.rename_mailbox(owner.conn, owner.storage, owner.account, "Lists", "Old/Lists")
    crash.dies()
    lose(*crash.files())

    assert owner.open("Old/Lists").uids == [1]

    assert owner.read(1, "Old/Lists") == to_wire(MESSAGE)
    assert not list(crash.home.joinpath("mail").rglob(".Lists"))


def test_a_record_that_is_torn_holds_nothing(crash, owner):
    lose(*arrives(crash, "a"))
    crash.dies()
    segment = crash.journal.folder / "a"
    segment.write_bytes(segment.read_bytes().replace(a_message("a"), a_message("b")))

    assert owner.open().uids == [] and crash.files() == []


def test_an_index_that_is_rebuilt_keeps_what_a_journal_holds(crash, owner):
    lose(*arrives(crash, "a"))

    assert not any(each.dropped for each in rebuild_account(owner.conn, owner.storage, owner.account))

    crash.dies()
    rebuild_account(owner.conn, owner.storage, owner.account)
    assert owner.read(1) == to_wire(a_message("a"))


def test_an_account_is_not_converted_while_a_journal_holds_some_of_it(crash, owner):
    lose(*arrives(crash, "a"))

    with pytest.raises(StoreUnavailable, match="journal"), owner.conn.transaction():
        convert(owner.conn, owner.storage, owner.account, "mbox")

    crash.dies()
    with owner.conn.transaction():
        converted = convert(owner.conn, owner.storage, owner.account, "mbox")
    assert converted.messages["INBOX"] == 1


def test_files_are_durable_before_anybody_relies_on_them(crash, owner, monkeypatch):
    """Whoever recovers next flushes on another node."""
    [path] = arrives(crash, "a")
    crash.dies()
    lose(path)
    flushed = []
    monkeypatch.setattr("mailcore.store.files.sync_directory", flushed.append)

    owner.open()

    [found] = crash.files()
    assert str(found.parent) in flushed and deliver.key_of(str(found)) == path.name
