"""The worker's part of forgetting removals: for some moments, mailbox by mailbox, though one of them be in use."""

from types import SimpleNamespace

import pytest

from mailadmin.mailboxes import tasks
from mailadmin.mailqueue.scheduler import CeleryHandOver
from mailadmin.mailqueue.tasks import sweep_spool, sweep_trace
from mailcore.errors import MailboxInUse
from mailcore.index import forgetting
from mailcore.mailbox import mailbox as mailboxes
from tests.contract.mailbox_support import an_owner


@pytest.fixture
def owner(database_url, mail_home, monkeypatch):
    """Three old removals in INBOX, two in Trash."""
    with an_owner(database_url, mail_home) as owner:
        here = SimpleNamespace(database=SimpleNamespace(connection=lambda: owner.conn), stopping=lambda: False)
        monkeypatch.setattr(tasks.worker, "current", lambda: here)
        for name, count in (("INBOX", 3), ("Trash", 2)):
            for _ in range(count):
                uid = owner.append(mailbox=name)
                mailboxes.expunge(owner.conn, owner.storage, owner.account, owner.record(name), [uid],
                                  only_deleted=False)  # fmt: skip
        owner.conn.execute("UPDATE expunged SET at = now() - interval '40 days'")
        yield owner


@pytest.fixture
def sent(monkeypatch):
    """How often the task asked to be run again."""
    times: list[dict[str, object]] = []
    monkeypatch.setattr(tasks.forget_expunged, "apply_async", lambda **options: times.append(options))
    return times


def left(owner) -> int:
    return owner.conn.execute("SELECT count(*) FROM expunged").fetchone()[0]


def test_old_removals_are_forgotten(owner, sent):
    tasks.forget_expunged()

    assert (left(owner), sent) == (0, [])
    tasks.forget_expunged()


def test_when_time_is_up_the_rest_waits_behind_other_tasks(owner, sent, monkeypatch):
    monkeypatch.setattr(tasks, "AT_ONCE_S", 0.0)

    tasks.forget_expunged()
    assert left(owner) in {2, 3} and len(sent) == 1
    tasks.forget_expunged()
    assert left(owner) == 0


def test_a_mailbox_that_is_in_use_does_not_hold_up_the_others(owner, sent, monkeypatch):
    real, busy = forgetting.forget, owner.record("INBOX").id

    def forget(conn, mailbox_id, before):
        if mailbox_id == busy:
            raise MailboxInUse("being converted")
        return real(conn, mailbox_id, before)

    monkeypatch.setattr(forgetting, "forget", forget)

    tasks.forget_expunged()

    assert (left(owner), sent) == (3, [])


def test_the_hourly_sweep_has_it_done(sent, monkeypatch):
    for other in (sweep_spool, sweep_trace):
        monkeypatch.setattr(other, "apply_async", lambda **options: None)

    CeleryHandOver().sweep()

    assert len(sent) == 1
