"""Which mailboxes MULTISEARCH means (RFC 7377 section 2.2), also those of others (RFC 4314)."""

import time

import pytest

from accessd.imap.grammar.multisearch import Source
from accessd.imap.grammar.search_return import Returns
from accessd.imap.search_scope import _names, find_in, mailboxes_of
from mailcore.errors import NotPermitted
from mailcore.mailbox.account import create_mailbox, ensure_account
from mailcore.mailbox.search_keys import All
from tests.contract.mailbox_support import an_owner, insert_account


@pytest.fixture
def owner(database_url, mail_home):
    with an_owner(database_url, mail_home) as owner:
        for name in ("a", "a/b", "a/b/c", "ab"):
            create_mailbox(owner.conn, owner.storage, owner.account, name)
        yield owner


def names(owner, *sources):
    return set(mailboxes_of(owner.conn, owner.account, sources).values()) - {
        "Sent",
        "Drafts",
        "Trash",
        "Junk",
        "Archive",
    }


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (Source("INBOXES"), {"INBOX"}),
        (Source("PERSONAL"), {"INBOX", "a", "a/b", "a/b/c", "ab"}),
        (Source("SUBTREE", ("a",)), {"a", "a/b", "a/b/c"}),
        (Source("SUBTREE-ONE", ("a",)), {"a", "a/b"}),
        (Source("SUBTREE", ("a/b", "ab")), {"a/b", "a/b/c", "ab"}),
        (Source("MAILBOXES", ("ab", "inbox", "none")), {"ab", "INBOX"}),
    ],
)
def test_own_mailboxes(owner, source, expected):
    assert names(owner, source) == expected


def test_mailboxes_of_others_need_the_right_to_read(owner):
    other = insert_account(owner.conn, "carol")
    ensure_account(owner.conn, owner.storage, other)
    for name, rights in (("open", "lr"), ("shut", "l")):
        record = create_mailbox(owner.conn, owner.storage, other, name)
        owner.conn.execute(
            "INSERT INTO mailbox_acl (mailbox_id, identifier, rights, negative) VALUES (%s, %s, %s, false)",
            (record.id, owner.account.address, rights),
        )
    theirs = f"user/{other.address}"

    assert names(owner, Source("SUBTREE", (theirs,))) == {f"{theirs}/open"}
    assert names(owner, Source("MAILBOXES", (f"{theirs}/shut", f"{theirs}/open"))) == {f"{theirs}/open"}
    assert f"{theirs}/open" not in names(owner, Source("PERSONAL"))
    _, found = find_in(owner.conn, owner.storage, owner.account, f"{theirs}/open", All(), Returns(), with_modseq=False)
    assert found == ([], [], 0)
    with pytest.raises(NotPermitted):
        find_in(owner.conn, owner.storage, owner.account, f"{theirs}/shut", All(), Returns(), with_modseq=False)


@pytest.mark.parametrize("kind", ["SUBTREE", "SUBTREE-ONE"])
def test_many_names_are_looked_up_and_not_gone_through(kind):
    tops = tuple(f"t{number}" for number in range(50_000))
    every = [f"t{number}/below" for number in range(1000)]
    begin = time.process_time()
    assert set(every) <= set(_names(Source(kind, tops), [], every, set()))
    assert time.process_time() - begin < 2
