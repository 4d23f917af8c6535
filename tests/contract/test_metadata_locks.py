"""SETMETADATA beside others: locks are always taken in the same order."""

import time
from concurrent.futures import ThreadPoolExecutor

from accessd.imap.grammar.metadata import SetMetadata
from accessd.imap.handlers.metadata import _write
from mailcore.index.index import lock_mailboxes
from mailcore.mailbox.account import get_mailbox
from mailcore.metadata import annotation
from mailcore.metadata.entries import SPECIAL_USE, Entry
from tests.contract.mailbox_support import an_owner, connect

COMMENT = Entry(private=True, name="/comment")


def test_a_special_use_and_a_comment_at_once_do_not_wait_for_each_other(database_url, mail_home):
    with an_owner(database_url, mail_home) as owner, connect(database_url) as other, ThreadPoolExecutor(1) as threads:
        mailbox_id = get_mailbox(owner.conn, owner.account, "Archive").id
        backend = owner.conn.info.backend_pid
        command = SetMetadata("Archive", ((SPECIAL_USE, b"\\Junk"), (COMMENT, b"mine")))
        with other.transaction():
            annotation.write(other, owner.account, mailbox_id, {COMMENT: b"yours"})
            waiting = threads.submit(_write, owner.conn, owner.account, command)
            until_it_waits(other, backend)
            # A row lock held by the one that waits for us would be found by PostgreSQL, and cost one of the two.
            lock_mailboxes(other, [mailbox_id])
        waiting.result(10)

        assert get_mailbox(owner.conn, owner.account, "Archive").special_use == "\\Junk"
        [found] = annotation.read(owner.conn, owner.account, mailbox_id, [COMMENT])
        assert found.value == b"mine"


def until_it_waits(conn, backend):
    end = time.monotonic() + 10
    while not conn.execute("SELECT 1 FROM pg_locks WHERE pid = %s AND NOT granted", [backend]).fetchone():
        assert time.monotonic() < end
