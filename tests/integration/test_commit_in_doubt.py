"""The database ends a session while it commits: nobody can know whether the rows are there, so the files stay.

Found by tests/reliability/test_services_away.py: a queue row without its content, which was tried again for ever.
psycopg does not call a connection broken before it has read the end of the stream, and FATAL comes earlier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from mailcore.delivery.batch import deliver_batch
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox.appending import append_all
from mailcore.message.flags import NO_FLAGS
from mailcore.queue.spool import Spool
from mailcore.store.exchange import Incoming
from tests.contract.mailbox_support import Owner, a_message, an_arrival, an_owner, connect

# When the COMMIT is under way, before its answer.
END_AT_COMMIT = """
CREATE FUNCTION end_session() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER end_session AFTER INSERT ON {table} DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION end_session()
"""


EndAtCommit = Callable[[str], None]


@pytest.fixture
def owner(database_url: str, mail_home: Path) -> Iterator[Owner]:
    with an_owner(database_url, mail_home) as owner:
        yield owner


@pytest.fixture(params=[False, True], ids=["end of stream read", "not read"])
def end_at_commit(request: pytest.FixtureRequest, database_url: str, monkeypatch: pytest.MonkeyPatch) -> EndAtCommit:
    def prepare(table: str) -> None:
        with connect(database_url) as conn:
            conn.execute(END_AT_COMMIT.format(table=table))
        if request.param:
            monkeypatch.setattr(psycopg.Connection, "broken", property(lambda _: False))

    return prepare


def in_store(owner: Owner, mailbox: str = "INBOX") -> int:
    return len(owner.storage.store(owner.account).scan(mailbox).messages)


@pytest.mark.parametrize("table", ["message", "queue_message"])
def test_a_batch_keeps_its_files(owner: Owner, mail_home: Path, end_at_commit: EndAtCommit, table: str) -> None:
    end_at_commit(table)
    spool, arrival = Spool(mail_home / "spool"), an_arrival([owner.account], ["x@far.example"])

    with pytest.raises(psycopg.Error):
        deliver_batch(owner.conn, owner.storage, spool, [arrival], 3600.0)

    assert in_store(owner) == 1
    assert spool.path(arrival.queue_id).exists()


def test_appends_keep_their_files(owner: Owner, end_at_commit: EndAtCommit) -> None:
    end_at_commit("message")

    with pytest.raises(psycopg.Error):
        owner.append(a_message())

    assert in_store(owner) == 1


def test_what_waits_for_its_name_goes_on_waiting(owner: Owner, end_at_commit: EndAtCommit) -> None:
    end_at_commit("message")
    two = [Incoming(a_message(subject), NO_FLAGS, None) for subject in ("one", "two")]

    with pytest.raises(psycopg.Error):
        append_all(owner.conn, owner.storage, owner.account, "INBOX", two)

    assert len(list(Path(owner.storage.store(owner.account).folder("INBOX"), "tmp").iterdir())) == 2  # type: ignore[attr-defined]


def test_copies_stay(owner: Owner, end_at_commit: EndAtCommit) -> None:
    uid = owner.append(a_message())
    end_at_commit("message")

    with pytest.raises(psycopg.Error):
        mailboxes.copy(owner.conn, owner.storage, owner.account, owner.record(), [uid], "Archive")

    assert in_store(owner, "Archive") == 1


def test_what_the_database_refuses_is_taken_back(owner: Owner, database_url: str, mail_home: Path) -> None:
    """A COMMIT that was refused, by a constraint checked then, is no doubt."""
    with connect(database_url) as conn:
        conn.execute(
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS"
            " $$ BEGIN RAISE integrity_constraint_violation; END $$;"
            "CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON message DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW EXECUTE FUNCTION refuse()"
        )
    spool, arrival = Spool(mail_home / "spool"), an_arrival([owner.account], ["x@far.example"])

    deliver_batch(owner.conn, owner.storage, spool, [arrival], 3600.0)
    with pytest.raises(psycopg.IntegrityError):
        owner.append(a_message(), "\\Seen")

    assert in_store(owner) == 0
    assert not spool.path(arrival.queue_id).exists()
