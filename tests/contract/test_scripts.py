"""mailcore.db.scripts: small transactions in one message each, and STORE as the first that uses them."""

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from mailcore.db import scripts
from mailcore.db.doubt import is_in_doubt
from mailcore.db.pool import open_pool
from mailcore.db.scripts import Script, Statement
from mailcore.errors import MailboxInUse, MailboxNotFound
from mailcore.index import short
from mailcore.index.records import FLAGGED, SEEN, FlagChange, FlagMode, Flags
from mailcore.mailbox import mailbox as mailboxes
from tests.contract.mailbox_support import MESSAGE, Owner, an_owner

ECHO = Statement("test_echo", "text, bigint, text[], timestamptz", "SELECT $1, $2, $3, $4 IS NULL")
FAIL = Statement("test_fail", "bigint", "SELECT 1 / $1")
ODD = "a'b\\c\"d{e},f\u20ac"


@pytest.fixture
def owner(database_url, mail_home):
    with an_owner(database_url, mail_home, store="maildir") as owner:
        yield owner
        owner.assert_counters()


def add(owner: Owner, uids, *names, unchanged_since=None):
    change = FlagChange(FlagMode.ADD, Flags.parse(names))
    return mailboxes.set_flags(owner.conn, owner.storage, owner.account, owner.record(), uids, change, unchanged_since)


def is_idle(owner: Owner) -> bool:
    return owner.conn.info.transaction_status == TransactionStatus.IDLE


def test_values_arrive_as_they_are(owner):
    with Script(owner.conn, (ECHO,)) as script:
        row = script.begin(ECHO, ODD, -5, [ODD, "plain"], None)
        script.commit()

    assert row[0].decode() == ODD
    assert row[1] == b"-5"
    assert owner.conn.execute("SELECT %s::text[]", (row[2].decode(),)).fetchone()[0] == [ODD, "plain"]
    assert row[3] == b"t"
    assert is_idle(owner)


def test_a_nul_is_refused_before_anything_is_sent(owner):
    with Script(owner.conn, (ECHO,)) as script, pytest.raises(psycopg.DataError):
        script.begin(ECHO, "a\0b", 1, [], None)

    assert is_idle(owner)


def test_an_error_rolls_back_and_has_its_type(owner):
    with Script(owner.conn, (ECHO, FAIL)) as script:
        script.begin(ECHO, "", 1, [], None)
        with pytest.raises(psycopg.errors.DivisionByZero):
            script.commit(script.call(FAIL, 0))

    assert is_idle(owner)
    assert owner.conn.execute("SELECT 1").fetchone() == (1,)


def test_what_was_started_is_waited_for_and_its_error_comes_with_what_is_sent_next(owner):
    with Script(owner.conn, (ECHO, FAIL)) as script:
        script.begin(ECHO, "", 1, [], None)
        script.start(script.call(ECHO, "x" * 100_000, 2, [], None))
        script.start(script.call(FAIL, 0))
        with pytest.raises(psycopg.errors.DivisionByZero):
            script.commit()
    assert is_idle(owner)

    with Script(owner.conn, (ECHO, FAIL)) as script:
        script.begin(ECHO, "", 1, [], None)
        script.start(script.call(FAIL, 0))
    assert is_idle(owner)


def test_what_psycopg_makes_the_server_forget_is_prepared_again(owner):
    uid = owner.append()
    add(owner, [uid], "\\Seen")

    owner.conn.execute("DEALLOCATE ALL")

    assert add(owner, [uid], "\\Flagged").rows[0].flags == SEEN | FLAGGED
    assert add(owner, [uid], "word").rows[0].keywords == ["word"]


def test_scripts_are_prepared_again_in_any_order(owner, database_url):
    uid, record = owner.append(), owner.record()
    seen = FlagChange(FlagMode.ADD, Flags(SEEN))
    with psycopg.connect(database_url, autocommit=True) as conn:
        mailboxes.set_flags(conn, owner.storage, owner.account, record, [uid], seen)
        conn.execute("DEALLOCATE ALL")

        for _ in range(2):
            mailboxes.append(conn, owner.storage, owner.account, "INBOX", MESSAGE, Flags(), None)
            mailboxes.set_flags(conn, owner.storage, owner.account, record, [uid], seen)

    assert len(owner.flags()) == 3


def test_the_rollback_of_a_pooled_connection_is_no_error_for_the_next_script(owner, database_url, monkeypatch):
    uid, record, errors = owner.append(), owner.record(), []
    checked = Script._checked

    def noted(script, result):
        errors.append(result.error_message)
        return checked(script, result)

    monkeypatch.setattr(Script, "_checked", noted)
    pool = open_pool(database_url, 1)
    with pool.connection() as conn:
        for names in ("one", "two"):
            for _ in range(10):
                conn.execute("SELECT 1")
            change = FlagChange(FlagMode.ADD, Flags.parse([names]))
            assert mailboxes.set_flags(conn, owner.storage, owner.account, record, [uid], change).modseq
            with conn.transaction(force_rollback=True):
                conn.execute("SELECT 2")
            assert conn.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)
    pool.close()

    assert owner.flags() == {uid: ["one", "two"]}
    assert errors
    assert set(errors) == {b""}


def test_inside_of_a_transaction_it_is_a_part_of_it(owner):
    uid = owner.append()

    with owner.conn.transaction(force_rollback=True):
        assert add(owner, [uid], "\\Seen").modseq
        assert owner.append() == uid + 1
        owner.conn.execute("DEALLOCATE ALL")
        with pytest.raises(MailboxNotFound):
            owner.append(mailbox="Nowhere")
        assert owner.append() == uid + 2
        assert owner.conn.info.transaction_status == TransactionStatus.INTRANS

    assert owner.flags() == {uid: []}


def test_a_lost_connection_leaves_the_commit_in_doubt(owner, database_url):
    uid = owner.append()
    with psycopg.connect(database_url, autocommit=True) as conn:
        with short.flags_script(conn) as script:
            message = short.lock_message(script, owner.record().id, uid)
            owner.conn.execute("SELECT pg_terminate_backend(%s)", (conn.info.backend_pid,))
            with pytest.raises(psycopg.OperationalError) as raised:
                script.commit(short.flags_of(script, message, Flags(SEEN)))

        assert is_in_doubt(conn, raised.value)
        with pytest.raises(psycopg.OperationalError), short.flags_script(conn) as script:
            short.lock_message(script, owner.record().id, uid)

    assert owner.flags() == {uid: []}


def test_a_mailbox_that_stays_locked_is_in_use(owner, database_url, monkeypatch):
    monkeypatch.setattr(scripts, "_LIMITED_WAIT", b"SET LOCAL lock_timeout='20ms';")
    uid, record = owner.append(), owner.record()
    with psycopg.connect(database_url, autocommit=True) as conn, conn.transaction():
        conn.execute("SELECT FROM mailbox WHERE id = %s FOR UPDATE", (record.id,))
        change = FlagChange(FlagMode.ADD, Flags(SEEN))
        with pytest.raises(MailboxInUse):
            mailboxes.set_flags(owner.conn, owner.storage, owner.account, record, [uid], change)

    assert is_idle(owner)
    assert owner.flags() == {uid: []}


def test_one_message_is_answered_as_many_are(owner):
    one, other = owner.append(), owner.append()
    first = add(owner, [one], "\\Seen", "zebra", "Apple")
    both = add(owner, [one, other], "apple")

    assert [row for row in both.rows if row.uid == one] == first.rows
    assert (first.rows[0].keywords, first.rows[0].modseq) == (["Apple", "zebra"], first.modseq)
    assert add(owner, [one], "\\Seen") == add(owner, [one], "\\Seen", unchanged_since=first.modseq)
    spared = add(owner, [one], "\\Draft", unchanged_since=first.modseq - 1)
    assert (spared.rows, spared.modified, spared.modseq) == ([], first.rows, 0)
    assert owner.record().unseen == 1


def test_a_message_that_is_not_there_is_none(owner):
    assert add(owner, [7], "\\Seen").rows == []
    assert is_idle(owner)
