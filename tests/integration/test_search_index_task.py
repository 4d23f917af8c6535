"""The worker's part of the search index: it indexes what is behind for some moments, then lets the queue go first."""

from types import SimpleNamespace

import pytest

from mailadmin.mailboxes import tasks
from mailcore.errors import StoreUnavailable
from mailcore.mailbox import indexing
from tests.contract.mailbox_support import an_owner


@pytest.fixture
def owner(database_url, mail_home, monkeypatch):
    monkeypatch.setattr(indexing, "MOST_MESSAGES", 2)
    with an_owner(database_url, mail_home) as owner:
        here = SimpleNamespace(
            database=SimpleNamespace(connection=lambda: owner.conn),
            local=SimpleNamespace(storage=owner.storage),
            stopping=lambda: False,
        )
        monkeypatch.setattr(tasks.worker, "current", lambda: here)
        monkeypatch.setattr(tasks, "MOST_MAILBOXES", 5)
        real = indexing.behind
        monkeypatch.setattr(indexing, "behind", lambda conn, most: real(conn, most, at_least=3, calm_s=0))
        for _ in range(5):
            owner.append()
        yield owner


@pytest.fixture
def sent(monkeypatch):
    """How often the task asked to be run again."""
    times: list[dict[str, object]] = []
    monkeypatch.setattr(tasks.extend_search_index, "apply_async", lambda **options: times.append(options))
    return times


def blocks(owner):
    return owner.conn.execute("SELECT count(*) FROM search_segment WHERE field = 0").fetchone()[0]


def test_everything_that_is_behind_is_indexed(owner, sent):
    tasks.extend_search_index()

    assert blocks(owner) == 3
    assert not sent


def test_when_time_is_up_the_rest_waits_behind_other_tasks(owner, sent, monkeypatch):
    monkeypatch.setattr(tasks, "AT_ONCE_S", 0.0)

    tasks.extend_search_index()
    assert (blocks(owner), len(sent)) == (1, 1)
    tasks.extend_search_index()
    assert (blocks(owner), len(sent)) == (2, 2)


def test_a_mailbox_that_cannot_be_read_does_not_end_the_task(owner, sent, monkeypatch):
    def away(*arguments):
        raise StoreUnavailable("not mounted")

    monkeypatch.setattr(indexing, "extend", away)

    tasks.extend_search_index()

    assert (blocks(owner), sent) == (0, [])


def test_blocks_of_an_older_rule_are_renewed_a_few_at_a_time(owner, sent, monkeypatch):
    tasks.extend_search_index()
    owner.conn.execute("UPDATE search_segment SET fold_version = 0")
    stale = "SELECT count(*) FROM search_segment WHERE field = 0 AND fold_version = 0"

    with monkeypatch.context() as hurried:
        hurried.setattr(tasks, "AT_ONCE_S", 0.0)
        tasks.extend_search_index()
        # Without being run again at once: this can wait.
        assert (owner.conn.execute(stale).fetchone()[0], sent) == (2, [])
    tasks.extend_search_index()

    assert (owner.conn.execute(stale).fetchone()[0], sent) == (0, [])
