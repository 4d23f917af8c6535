"""APPEND is durable by the journal: after a power cut the message is there once, whole, with the flags it has now."""

import errno

import psycopg
import pytest

from mailcore.db import scripts
from mailcore.delivery.recovery import recover
from mailcore.errors import MailboxInUse, MailboxNotFound, StoreFull
from mailcore.index import short
from mailcore.index.records import SEEN, FlagChange, FlagMode, Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.message.wire import to_wire
from mailcore.store.journal import LARGEST_CONTENT, Writing
from tests.contract.mailbox_support import a_message, connect
from tests.fakes.crash import a_crash


@pytest.fixture
def crash(database_url, mail_home):
    with a_crash(database_url, mail_home) as crash:
        yield crash


def test_lost_and_spoiled_files_come_back(crash):
    crash.append(a_message("plain"))
    crash.append(a_message("flagged"), "\\Seen", "\\Flagged", "work")
    crash.dies()
    for path in crash.files():
        path.write_bytes(b"") if path.parent.name == "cur" else path.unlink()

    assert recover(crash.owner.conn, crash.home) == 2

    assert crash.owner.open().uids == [1, 2]
    assert [crash.owner.read(uid) for uid in (1, 2)] == [to_wire(a_message(what)) for what in ("plain", "flagged")]
    assert crash.owner.flags() == {1: [], 2: ["\\Flagged", "\\Seen", "work"]}


def test_other_flags_do_not_make_a_second_message(crash):
    crash.append(a_message("flagged"), "\\Flagged")
    owner, change = crash.owner, FlagChange(FlagMode.ADD, Flags(SEEN, frozenset()))
    mailboxes.set_flags(owner.conn, owner.storage, owner.account, owner.record(), [1], change)
    crash.dies()

    assert recover(owner.conn, crash.home) == 0

    assert owner.open().uids == [1]
    assert owner.flags() == {1: ["\\Flagged", "\\Seen"]}


def test_a_large_message_is_flushed_where_it_lies(crash):
    crash.append(a_message("large", "word\n" * LARGEST_CONTENT))
    crash.dies()

    assert not any((crash.journal.folder / name).stat().st_size for name in ("a", "b"))
    assert recover(crash.owner.conn, crash.home) == 0
    assert crash.owner.open().uids == [1]


def test_rows_that_cannot_be_written_leave_no_file(crash, monkeypatch):
    def refused(*arguments):
        raise RuntimeError("no row")

    monkeypatch.setattr(short, "add_message", refused)

    with pytest.raises(RuntimeError):
        crash.append(a_message("x"))

    assert crash.files() == []
    assert crash.owner.open().uids == []


def test_a_row_that_the_database_refuses_leaves_no_file(crash):
    crash.append(a_message("x"))
    record = crash.owner.record()
    crash.owner.conn.execute("UPDATE mailbox SET uidnext = 1 WHERE id = %s", [record.id])

    with pytest.raises(psycopg.errors.UniqueViolation):
        crash.append(a_message("y"))

    assert len(crash.files()) == 1
    crash.owner.conn.execute("UPDATE mailbox SET uidnext = 2 WHERE id = %s", [record.id])
    crash.append(a_message("z"))
    assert crash.owner.open().uids == [1, 2]


def test_a_journal_that_cannot_be_flushed_leaves_neither_row_nor_file(crash, monkeypatch):
    def full(writing):
        raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(Writing, "wait", full)

    with pytest.raises(StoreFull):
        crash.append(a_message("x"))

    assert crash.files() == []
    assert crash.owner.flags() == {}
    monkeypatch.undo()
    crash.append(a_message("y"))
    assert crash.owner.open().uids == [1]


def test_an_append_waits_for_a_mailbox_that_is_being_converted_but_not_for_ever(crash, database_url, monkeypatch):
    monkeypatch.setattr(scripts, "_LIMITED_WAIT", scripts._LIMITED_WAIT.replace(b"'5s'", b"'50ms'"))
    with connect(database_url) as other, other.transaction():
        other.execute("SELECT FROM mailbox WHERE id = %s FOR UPDATE", [crash.owner.record().id])

        with pytest.raises(MailboxInUse):
            crash.append(a_message("x"))

    assert crash.files() == []
    with pytest.raises(MailboxNotFound):
        crash.append(a_message("x"), mailbox="Nowhere")
