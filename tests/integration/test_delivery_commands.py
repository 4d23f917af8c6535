"""rebuild_index and convert_store on a committed database and real stores."""

import io
import threading
from datetime import UTC, datetime

import pytest
from django.core.management import CommandError, call_command

from mailcore.delivery.batch import deliver_batch
from mailcore.errors import MailboxInUse
from mailcore.index import statements
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.account import create_mailbox
from mailcore.message.wire import to_wire
from tests.contract.mailbox_support import MESSAGE, Owner, a_message, a_spool, an_arrival, an_owner, connect

AT = datetime(2022, 3, 4, 5, 6, 7, tzinfo=UTC)


@pytest.fixture(params=["maildir", "mbox"])
def bob(request, django_database, mail_home, settings):
    settings.MAIL_HOME = mail_home
    with an_owner(django_database, mail_home, store=request.param) as owner:
        yield owner
        owner.assert_counters()


def run(name: str, *arguments: str) -> str:
    output = io.StringIO()
    call_command(name, *arguments, stdout=output, stderr=output)
    return output.getvalue()


def state(owner: Owner, name: str = "INBOX"):
    """Everything a client may remember of a mailbox."""
    record = owner.record(name)
    rows = mailboxes.rows(owner.conn, record.id)
    seen = [(r.uid, r.flags, sorted(r.keywords), r.internal_date, r.size, owner.read(r.uid, name)) for r in rows]
    return record.uidvalidity, record.uidnext, seen


def some_mail(owner: Owner) -> None:
    create_mailbox(owner.conn, owner.storage, owner.account, "Work/Über.all")
    owner.append(a_message("one", "From the start\n>From inside\n"), "\\Seen", "$Junk", at=AT)
    owner.append(a_message("two"), at=AT)
    owner.append(a_message("three"), "\\Deleted", "\\Flagged", at=AT)
    mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(), [2], only_deleted=False)
    owner.append(MESSAGE, "\\Draft", mailbox="Work/Über.all", at=AT)


def test_rebuild_of_a_right_index_changes_nothing(bob):
    some_mail(bob)
    before = state(bob)

    output = run("rebuild_index", bob.account.address)

    assert "bob@mail.test INBOX: 2 messages\n" in output
    assert state(bob) == before


def test_rebuild_corrects_what_is_wrong_and_keeps_uids(bob):
    some_mail(bob)
    before = state(bob)
    bob.conn.execute("UPDATE message SET size = size + 7, flags = 0, envelope = 'old'")
    bob.conn.execute("UPDATE mailbox SET messages = 9, unseen = 9, size = 9")
    bob.conn.execute("DELETE FROM account_usage")

    output = run("rebuild_index", bob.account.address)

    assert "flags corrected" in output
    assert "sizes corrected" in output
    assert "UIDVALIDITY" not in output
    assert state(bob) == before
    assert bob.conn.execute("SELECT count(*) FROM message WHERE envelope IS NOT NULL").fetchone() == (0,)


def test_lost_rows_give_a_new_uidvalidity(bob):
    some_mail(bob)
    uidvalidity, _, before = state(bob)
    bob.conn.execute("DELETE FROM message WHERE uid = 3")

    output = run("rebuild_index", bob.account.address, "INBOX")

    assert output.startswith("bob@mail.test INBOX: 2 messages, 1 adopted")
    assert "new UIDVALIDITY" in output
    after_uidvalidity, _, after = state(bob)
    assert after_uidvalidity > uidvalidity
    assert [message[1:] for message in after] == [message[1:] for message in before]


def test_a_lost_index_comes_back_from_the_store(bob):
    some_mail(bob)
    before = {name: [message[1:] for message in state(bob, name)[2]] for name in bob.names()}
    for table in ("message", "expunged", "subscription", "account_usage", "mailbox"):
        bob.conn.execute(f"DELETE FROM {table}")

    run("rebuild_index", "--all")

    assert {name: [message[1:] for message in state(bob, name)[2]] for name in bob.names()} == before


def test_rebuild_says_what_it_cannot_do(bob, mail_home):
    bob.append()
    with pytest.raises(CommandError, match="no account"):
        run("rebuild_index", "nobody@mail.test")
    with pytest.raises(CommandError, match="no mailbox"):
        run("rebuild_index", bob.account.address, "None")
    with pytest.raises(CommandError, match="--all"):
        run("rebuild_index")

    folder = mail_home / "mail" / "mail.test" / "bob"
    folder.rename(folder.with_name("away"))
    with pytest.raises(CommandError, match="Not rebuilt: bob@"):
        run("rebuild_index", "--all")
    folder.with_name("away").rename(folder)
    assert bob.open().uids == [1]


def other(owner: Owner) -> str:
    return {"maildir": "mbox", "mbox": "maildir"}[owner.account.store]


def test_convert_keeps_uids_flags_dates_and_content_there_and_back(bob):
    some_mail(bob)
    before = {name: state(bob, name) for name in bob.names()}
    target = other(bob)

    output = run("convert_store", bob.account.address, target)

    assert "bob@mail.test Work/Über.all: 1 messages" in output
    assert bob.conn.execute("SELECT store FROM account").fetchone() == (target,)
    # `bob` still has the account as it was before, like a session that stayed connected.
    assert {name: state(bob, name) for name in bob.names()} == before
    assert bob.open().record.highestmodseq == bob.record().highestmodseq
    assert run("convert_store", bob.account.address, target) == f"bob@mail.test is {target} already.\n"

    run("convert_store", bob.account.address, bob.account.store)

    assert {name: state(bob, name) for name in bob.names()} == before


def test_convert_of_an_account_without_mail(bob, mail_home):
    folder = mail_home / "mail" / "mail.test" / "bob"
    folder.rename(folder.with_name("away"))

    run("convert_store", bob.account.address, other(bob))

    assert bob.open().uids == []


def test_a_session_and_a_delivery_from_before_reach_the_new_store(bob, mail_home):
    bob.append()
    run("convert_store", bob.account.address, other(bob))

    bob.append(a_message("second"))
    [[outcome]] = deliver_batch(bob.conn, bob.storage, a_spool(mail_home), [an_arrival([bob.account])], 3600)

    assert outcome.reply.is_positive
    assert bob.open().uids == [1, 2, 3]
    assert bob.read(2) == to_wire(a_message("second"))


def test_a_failed_conversion_changes_nothing(bob, mail_home, monkeypatch):
    some_mail(bob)
    before = {name: state(bob, name) for name in bob.names()}

    def broken(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mailcore.mailbox.convert.os.sync", broken)
    with pytest.raises(CommandError, match="Nothing was changed"):
        run("convert_store", bob.account.address, other(bob))

    assert {name: state(bob, name) for name in bob.names()} == before


def test_while_an_account_is_converted_mail_is_deferred_and_sessions_are_told(
    bob, django_database, mail_home, monkeypatch
):
    bob.append()
    locked, finish = threading.Event(), threading.Event()

    def convert_slowly():
        with connect(django_database) as conn, conn.transaction():
            conn.execute(statements.LOCK_MAILBOXES, {"mailbox_ids": [bob.record().id]}).fetchall()
            locked.set()
            finish.wait(30)

    thread = threading.Thread(target=convert_slowly)
    thread.start()
    locked.wait(10)
    try:
        monkeypatch.setattr(statements, "LIMIT_WAIT", "SET LOCAL lock_timeout = '50ms'")
        [answer] = deliver_batch(bob.conn, bob.storage, a_spool(mail_home), [an_arrival([bob.account])], 3600)
        assert answer.temporary
        with pytest.raises(MailboxInUse):
            bob.append()
    finally:
        finish.set()
        thread.join()

    assert bob.open().uids == [1]


def test_a_folder_somebody_removed_is_given_up_by_rebuild(bob):
    some_mail(bob)
    bob.storage.store(bob.account).delete_mailbox("Work/Über.all")

    run("rebuild_index", bob.account.address)

    assert bob.open("Work/Über.all").uids == []
    assert len(bob.open().uids) == 2
