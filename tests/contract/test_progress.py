"""What counts as progress: messages that have to be read (RFC 9585)."""

import pytest

from mailcore.mailbox import search as search_module
from mailcore.mailbox.progress import Progress
from mailcore.mailbox.search import search
from mailcore.mailbox.search_keys import All, Body, Header, Or
from mailcore.mailbox.sorting import Criterion, SortBy, sort
from mailcore.mailbox.threading import Algorithm, thread
from tests.contract.mailbox_support import an_owner


@pytest.fixture
def owner(database_url, mail_home, monkeypatch):
    monkeypatch.setattr(search_module, "_BLOCK", 2)
    with an_owner(database_url, mail_home) as owner:
        for _ in range(5):
            owner.append()
        yield owner


@pytest.mark.parametrize(
    ("key", "counted"),
    [(All(), 0), (Body("nothing"), 5), (Header("Subject", "nothing"), 5), (Or(Body("Bob"), Body("x")), 5)],
)
def test_a_search_counts_what_it_reads(owner, key, counted):
    progress, opened = Progress(), owner.open(read_only=True)

    search(owner.conn, owner.storage, owner.account, opened.record, key, opened.uids, progress=progress)

    assert (progress.done, progress.goal) == (counted, counted)


def test_sort_and_thread_count_too(owner):
    progress, opened = Progress(), owner.open(read_only=True)

    sort(
        owner.conn,
        owner.storage,
        owner.account,
        opened.record,
        [SortBy(Criterion.SUBJECT)],
        opened.uids,
        None,
        progress,
    )
    assert (progress.done, progress.goal) == (5, 5)

    thread(owner.conn, owner.storage, owner.account, opened.record, Algorithm.ORDEREDSUBJECT, opened.uids, progress)
    assert (progress.done, progress.goal) == (10, 10)
