"""THREAD (RFC 5256 section 3)."""

import pytest

from accessd.imap.thread_response import format_threads
from mailcore.mailbox.threading import Algorithm, thread
from tests.contract.mailbox_support import an_owner


@pytest.fixture
def owner(database_url, mail_home):
    with an_owner(database_url, mail_home) as owner:
        yield owner


def fill(owner, *messages):
    """Messages as (identifier, identifiers it refers to, subject, day of January)."""
    for identifier, refs, subject, day in messages:
        lines = [f"Subject: {subject}", f"Date: {day} Jan 2024 12:00:00 +0000", "From: a@x.test"]
        lines += [f"Message-ID: <{identifier}@x>"] if identifier else []
        lines += ["References: " + " ".join(f"<{each}@x>" for each in refs.split())] if refs else []
        owner.append(("\n".join(lines) + "\n\ntext\n").encode())


def threads(owner, algorithm=Algorithm.REFERENCES, leave_out=()):
    uids = [uid for uid in owner.open(read_only=True).uids if uid not in leave_out]
    forest = thread(owner.conn, owner.storage, owner.account, owner.record(), algorithm, uids)
    return format_threads(forest, uids).decode()


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], ""),
        ([("a", "", "one", 1)], "(1)"),
        # Lines and branches, children by date.
        ([("a", "", "s", 1), ("b", "a", "s", 2), ("c", "a b", "s", 3)], "(1 2 3)"),
        ([("a", "", "s", 1), ("b", "a", "s", 4), ("c", "a", "s", 3), ("d", "a b", "s", 5)], "(1 (3)(2 4))"),
        # The answer before the question.
        ([("b", "a", "s", 2), ("a", "", "s", 1)], "(2 1)"),
        # Nobody has the message that both answer.
        ([("b", "a", "x", 2), ("c", "a", "y", 1)], "((2)(1))"),
        ([("b", "a", "x", 2)], "(1)"),
        # A missing one between two others.
        ([("a", "", "s", 1), ("c", "a b", "s", 3)], "(1 2)"),
        # Missing ones one behind the other leave one place.
        ([("c", "a b", "x", 1), ("d", "a b", "y", 2), ("e", "a", "z", 3)], "((1)(2)(3))"),
        # The same identifier twice: the second counts as one without.
        ([("a", "", "x", 1), ("a", "", "y", 2), ("b", "a", "z", 3)], "(1 3)(2)"),
        # No identifier at all.
        ([("", "", "x", 1), ("", "", "y", 2)], "(1)(2)"),
        # Loops are not made: of oneself, of two, by way of others.
        ([("a", "a", "x", 1)], "(1)"),
        ([("a", "b", "x", 1), ("b", "a", "y", 2)], "(2 1)"),
        ([("a", "c b", "x", 1), ("b", "a", "y", 2), ("c", "b", "z", 3)], "(2 (1)(3))"),
        # A message's own References count more than what others say of it.
        ([("c", "a b", "s", 3), ("a", "", "s", 1), ("x", "", "other", 1), ("b", "x", "s", 2)], "(2)(3 4 1)"),
        # And if it has none, it has no parent.
        ([("c", "a b", "x", 3), ("b", "", "y", 2), ("a", "", "z", 1)], "(3)(2 1)"),
        # Threads of one base subject: an answer goes below what is none.
        ([("a", "", "topic", 1), ("b", "", "Re: topic", 2)], "(1 2)"),
        ([("b", "", "Re: topic", 1), ("a", "", "Topic", 2)], "(2 1)"),
        ([("a", "", "topic", 1), ("b", "", "topic", 2)], "((1)(2))"),
        ([("a", "", "Re: topic", 1), ("b", "", "Re: topic", 2), ("c", "", "Re: topic", 3)], "((1)(2)(3))"),
        ([("a", "", "topic", 1), ("b", "", "topic", 2), ("c", "", "Re: topic", 3)], "((1)(2)(3))"),
        ([("b", "a", "topic", 1), ("c", "a", "x", 2), ("d", "", "Re: topic", 3)], "((1)(2)(3))"),
        ([("b", "a", "topic", 1), ("c", "a", "x", 3), ("e", "d", "topic", 2), ("f", "d", "y", 4)], "((1)(3)(2)(4))"),
        ([("a", "", "", 1), ("b", "", "Re:", 2)], "(1)(2)"),
        # Threads by the date of their first message, ties by place.
        ([("a", "", "x", 3), ("b", "", "y", 2), ("c", "", "z", 2)], "(2)(3)(1)"),
    ],
)
def test_references(owner, messages, expected):
    fill(owner, *messages)

    assert threads(owner) == expected


def test_refs_knows_no_subjects_and_puts_the_newest_thread_last(owner):
    fill(owner, ("a", "", "s", 1), ("b", "", "Re: s", 2), ("c", "a", "s", 3), ("d", "x", "y", 1), ("e", "x", "z", 4))

    assert threads(owner, Algorithm.REFS) == "(2)(1 3)((4)(5))"


def test_ordered_subject(owner):
    fill(
        owner, ("a", "", "s", 2), ("b", "", "Re: S", 1), ("c", "", "[l] s", 3), ("d", "", "t", 1), ("e", "", "re: t", 2)
    )

    assert threads(owner, Algorithm.ORDEREDSUBJECT) == "(2 (1)(3))(4 5)"


def test_only_what_was_searched_for_is_there(owner):
    fill(owner, ("a", "", "s", 1), ("b", "a", "s", 2), ("c", "a b", "s", 3))

    assert threads(owner, leave_out=[2]) == "(1 3)"


def test_what_was_indexed_before_there_were_references_is_read_once(owner):
    fill(owner, ("a", "", "x", 1), ("b", "a", "y", 2))
    assert threads(owner) == "(1 2)"
    owner.conn.execute("UPDATE message SET thread_refs = NULL")

    assert threads(owner) == "(1 2)"
    assert owner.conn.execute("SELECT count(*) FROM message WHERE thread_refs IS NULL").fetchone() == (0,)


def test_a_message_that_is_gone_is_a_thread_of_its_own(owner):
    fill(owner, ("a", "", "x", 1), ("b", "a", "y", 2))
    uids = owner.open(read_only=True).uids
    owner.conn.execute("DELETE FROM message WHERE uid = 2")

    forest = thread(owner.conn, owner.storage, owner.account, owner.record(), Algorithm.REFERENCES, uids)

    assert sorted(format_threads(forest, uids)) == sorted(b"(1)(2)")
