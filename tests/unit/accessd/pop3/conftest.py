"""A session on mailboxes in memory."""

from types import SimpleNamespace

import pytest

from accessd.pop3 import maildrop
from tests.unit.accessd.pop3.fakes import FakeContext, FakeMailboxes

FIRST = b"From: a@example.net\nSubject: one\n\n.a line with a dot\n..\nlast line\n"
SECOND = b"Subject: two\n\nno end of line"


@pytest.fixture
def stand_on(monkeypatch, context):
    """Call it to give the session other messages."""

    def install(fake):
        monkeypatch.setattr(maildrop, "mailboxes", fake)
        monkeypatch.setattr(maildrop, "accounts", fake)
        monkeypatch.setattr(maildrop, "message_rows", fake.message_rows)
        context.storage.store = lambda account: fake
        return fake

    return install


@pytest.fixture(autouse=True)
def mailboxes(stand_on):
    return stand_on(FakeMailboxes([FIRST, SECOND]))


@pytest.fixture
def context(tmp_path):
    return FakeContext(SimpleNamespace(root=tmp_path))
