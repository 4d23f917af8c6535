"""What two nodes may do to each other between two statements, forced instead of waited for.

Found by tests/reliability/test_two_nodes.py: a session that never heard of a message, or of a flag.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accessd.imap.selected import View
from mailcore.index import statements
from mailcore.index.records import FlagChange, FlagMode, Flags
from mailcore.mailbox import mailbox as mailboxes
from mailcore.message.flags import FLAGGED, SEEN
from tests.contract.mailbox_support import Owner, an_owner, connect


@pytest.fixture
def owner(database_url: str, mail_home: Path) -> Iterator[Owner]:
    with an_owner(database_url, mail_home) as owner:
        yield owner


class Interrupted:
    """A connection on which, in front of one statement, another node is quicker."""

    def __init__(self, conn: Any, statement: str, other: Any) -> None:
        self._conn, self._statement, self._other = conn, statement, other

    def execute(self, query: str, *arguments: Any, **options: Any) -> Any:
        if query == self._statement:
            self._other()
        return self._conn.execute(query, *arguments, **options)


def set_flag(owner: Owner, conn: Any, uids: list[int], bits: int) -> Any:
    change = FlagChange(FlagMode.ADD, Flags(bits))
    return mailboxes.set_flags(conn, owner.storage, owner.account, owner.record(), uids, change)


def test_a_new_message_that_is_flagged_meanwhile_is_still_told(owner: Owner, database_url: str) -> None:
    view = View(owner.open(), owner=owner.account, read_only=False)
    first, second = owner.append(), owner.append()

    with connect(database_url) as other:
        conn = Interrupted(owner.conn, statements.CHANGED_ROWS, lambda: set_flag(owner, other, [first], FLAGGED))
        view.take(mailboxes.changes_since(conn, owner.record().id, view.modseq))  # type: ignore[arg-type]
    view.take(mailboxes.changes_since(owner.conn, owner.record().id, view.modseq))

    assert list(view.uids) == [first, second]
    assert owner.flags()[first] == ["\\Flagged"]


def test_a_message_that_comes_meanwhile_is_told_once(owner: Owner, database_url: str) -> None:
    view = View(owner.open(), owner=owner.account, read_only=False)
    first, more = owner.append(), []

    conn = Interrupted(owner.conn, statements.CHANGED_ROWS, lambda: more.append(owner.append()))
    view.take(mailboxes.changes_since(conn, owner.record().id, view.modseq))  # type: ignore[arg-type]
    assert list(view.uids) == [first]
    view.take(mailboxes.changes_since(owner.conn, owner.record().id, view.modseq))

    assert list(view.uids) == [first, *more]


def test_a_store_that_changes_nothing_does_not_hide_what_another_node_changed(owner: Owner) -> None:
    """The other node's STORE has one modseq for both messages; ours is told the one it asks for."""
    uids = [owner.append(), owner.append()]
    view = View(owner.open(), owner=owner.account, read_only=False)
    set_flag(owner, owner.conn, uids, SEEN)

    own = set_flag(owner, owner.conn, uids[:1], SEEN)
    view.take_own(own.modseq)
    view.take(mailboxes.changes_since(owner.conn, owner.record().id, view.modseq))
    told = b"".join(view.flush(expunge=True, with_modseq=False))

    assert b"UID %d FLAGS (\\Seen" % uids[1] in told
