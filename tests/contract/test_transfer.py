"""Messages copied and moved into mailboxes of others, between both stores: all or nothing, never lost."""

import os
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from mailcore.errors import MailboxNotFound, MessageGone, OverQuota, StoreUnavailable
from mailcore.index.records import SEEN
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.transfer import hand_over
from mailcore.message.wire import to_wire
from mailcore.sharing.places import Place
from mailcore.store.maildir.store import MaildirStore
from mailcore.store.mbox.store import MboxStore
from tests.contract.mailbox_support import Owner, a_message, an_owner

KINDS = [("maildir", "maildir"), ("maildir", "mbox"), ("mbox", "maildir"), ("mbox", "mbox")]


@contextmanager
def owners(kinds, database_url, mail_home):
    source, target = kinds
    with (
        an_owner(database_url, mail_home, local="ann", store=source) as ann,
        an_owner(database_url, mail_home, local="bob", store=target) as bob,
    ):
        yield ann, bob
        ann.assert_counters()
        bob.assert_counters()


@pytest.fixture(name="any_two", params=KINDS, ids="-to-".join)
def two_owners_of_any_store(request, database_url, mail_home):
    with owners(request.param, database_url, mail_home) as both:
        yield both


@pytest.fixture(name="two", params=KINDS[::3], ids="-to-".join)
def two_owners(request, database_url, mail_home):
    with owners(request.param, database_url, mail_home) as both:
        yield both


def give(ann: Owner, bob: Owner, uids, *, rights="lrswipkxtea", move=False, name="Archive", bobs=None):
    place = Place(bobs or bob.account, name, rights)
    return hand_over(ann.conn, ann.storage, ann.account, ann.record(), uids, place, move=move)


def texts(owner: Owner, name: str) -> list[bytes]:
    return [owner.read(uid, name) for uid in owner.open(name).uids]


def test_copies_have_content_date_flags_and_what_is_known(any_two):
    ann, bob = any_two
    uids = [ann.append(a_message(str(n)), "\\Seen", "word") for n in range(3)]
    bob.append(mailbox="Archive")
    mailboxes.cached_rows(ann.conn, ann.storage, ann.account, ann.record(), None)
    dates = [row.internal_date for row in mailboxes.rows(ann.conn, ann.record().id)]

    copied = give(ann, bob, [uids[2], uids[0]])

    rows = mailboxes.rows(bob.conn, bob.record("Archive").id)[1:]
    assert (copied.source, copied.target) == ([uids[0], uids[2]], [2, 3])
    assert copied.uidvalidity == bob.record("Archive").uidvalidity
    assert [(row.flags, row.keywords, row.internal_date) for row in rows] == [
        (SEEN, ["word"], dates[0]),
        (SEEN, ["word"], dates[2]),
    ]
    assert texts(bob, "Archive")[1:] == [to_wire(a_message("0")), to_wire(a_message("2"))]
    assert ann.open().uids == uids
    subjects = bob.conn.execute("SELECT subject FROM message WHERE mailbox_id = %s", [bob.record("Archive").id])
    assert {"0", "2"} <= {row[0] for row in subjects}


def test_flags_one_may_not_set_there_are_left_out_also_on_the_disk(any_two):
    ann, bob = any_two
    uids = [ann.append(a_message(str(n)), "\\Seen", "\\Flagged", "\\Deleted", "word") for n in range(2)]

    give(ann, bob, uids[:1], rights="lris")
    give(ann, bob, uids[1:], rights="lriwt")

    expected = [["\\Seen"], ["\\Deleted", "\\Flagged", "word"]]
    assert [sorted(names) for names in bob.flags("Archive").values()] == expected
    bob.open("Archive")
    assert [sorted(names) for names in bob.flags("Archive").values()] == expected
    assert bob.record("Archive").unseen == 1


def test_a_move_leaves_nothing_behind(any_two):
    ann, bob = any_two
    uids = [ann.append(a_message(str(n))) for n in range(3)]

    moved = give(ann, bob, uids[:2], move=True)

    assert moved.source == uids[:2]
    assert ann.open().uids == uids[2:]
    assert texts(bob, "Archive") == [to_wire(a_message("0")), to_wire(a_message("1"))]
    assert mailboxes.changes_since(ann.conn, ann.record().id, 1).expunged == uids[:2]


def test_large_messages_are_not_held_in_memory(any_two):
    ann, bob = any_two
    large = a_message("large", "x" * 60 + "\n") + b"y" * 70 * 30_000 + b"\n"
    uid = ann.append(large)

    give(ann, bob, [uid])

    assert texts(bob, "Archive") == [to_wire(large)]
    assert list((ann.storage.root / ".incoming").glob("*")) == []


def test_what_has_gone_meanwhile_is_left_out(two):
    ann, bob = two
    uids = [ann.append(a_message(str(n))) for n in range(3)]
    key = ann.conn.execute("SELECT store_key FROM message WHERE uid = %s", [uids[1]]).fetchone()[0]
    store = ann.storage.store(ann.account)
    store.remove("INBOX", [(key, mailboxes.Flags())])

    moved = give(ann, bob, [*uids, 99], move=True)

    assert moved.source == [uids[0], uids[2]]
    assert len(texts(bob, "Archive")) == 2


def test_the_quota_of_the_target_counts(two):
    ann, bob = two
    uids = [ann.append(a_message(str(n))) for n in range(3)]

    for limit in ({"quota_bytes": 100}, {"quota_messages": 2}):
        for move in (False, True):
            with pytest.raises(OverQuota):
                give(ann, bob, uids, bobs=replace(bob.account, **limit), move=move)
    assert bob.open("Archive").uids == []
    give(ann, bob, uids[:2], bobs=replace(bob.account, quota_messages=2))


def test_a_mailbox_that_is_not_there(two):
    ann, bob = two
    uid = ann.append()

    with pytest.raises(MailboxNotFound):
        give(ann, bob, [uid], name="Nowhere")


@pytest.mark.parametrize("move", [False, True])
def test_when_the_rows_cannot_be_written_no_file_stays(two, monkeypatch, move):
    ann, bob = two
    uids = [ann.append(a_message(str(n))) for n in range(2)]

    def fail(*_args, **_how):
        raise StoreUnavailable("the database went away")

    monkeypatch.setattr("mailcore.mailbox.transfer.insert_copies", fail)
    with pytest.raises(StoreUnavailable):
        give(ann, bob, uids, move=move)

    assert bob.open("Archive").uids == []
    assert len(texts(ann, "INBOX")) == 2


def test_when_a_move_cannot_remove_the_source_the_message_is_there_twice_and_not_lost(two, monkeypatch):
    ann, bob = two
    uid = ann.append()
    for store in (MaildirStore, MboxStore):
        monkeypatch.setattr(store, "remove", broken_after_removing(store.remove))

    with pytest.raises(StoreUnavailable):
        give(ann, bob, [uid], move=True)
    monkeypatch.undo()

    # The row of the source was rolled back, its file may be gone: what the target's folder has is adopted.
    assert len(texts(bob, "Archive")) == 1


def broken_after_removing(remove):
    def removing(store, mailbox, messages):
        remove(store, mailbox, messages)
        raise StoreUnavailable("the disk went away")

    return removing


def test_a_crash_before_commit_leaves_the_message_twice_at_worst(two):
    ann, bob = two
    uid = ann.append()

    with ann.conn.transaction(force_rollback=True):
        give(ann, bob, [uid], move=True)

    assert len(texts(bob, "Archive")) == 1
    ann.open()


def test_copies_in_both_directions_at_once_do_not_wait_for_each_other(database_url, mail_home):
    with (
        an_owner(database_url, mail_home, local="ann") as ann,
        an_owner(database_url, mail_home, local="bob", store="mbox") as bob,
    ):
        uids = [ann.append(a_message(str(n))) for n in range(2)], [bob.append(a_message(str(n))) for n in range(2)]
        failures = []

        def work(giver, taker, given):
            try:
                for _ in range(8):
                    give(giver, taker, given, name="INBOX")
            except Exception as error:
                failures.append(error)

        threads = [threading.Thread(target=work, args=args) for args in ((ann, bob, uids[0]), (bob, ann, uids[1]))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert failures == []
        assert [len(owner.open().uids) for owner in (ann, bob)] == [18, 18]
        ann.assert_counters()
        bob.assert_counters()


def test_between_two_maildirs_a_copy_is_a_second_name_of_the_file(database_url, mail_home):
    with an_owner(database_url, mail_home, local="ann") as ann, an_owner(database_url, mail_home, local="bob") as bob:
        uid = ann.append()

        give(ann, bob, [uid])

        folders = [ann.storage.maildir_folder(o.account, n) for o, n in ((ann, "INBOX"), (bob, "Archive"))]
        inodes = {
            entry.stat().st_ino
            for folder in folders
            for part in ("new", "cur")
            for entry in os.scandir(f"{folder}/{part}")
        }
        assert len(inodes) == 1
        with pytest.raises(MessageGone):
            bob.read(99, "Archive")
