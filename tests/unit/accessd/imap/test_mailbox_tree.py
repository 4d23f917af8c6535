"""LIST and LSUB: patterns, parents, attributes."""

import pytest

from accessd.imap.command import List, Lsub
from accessd.imap.mailbox_tree import list_names, lsub_names, matcher
from mailcore.index.records import MailboxRecord


def records(*names: str) -> list[MailboxRecord]:
    return [
        MailboxRecord(number, 1, name, 1, 1, 1, 1, "\\Sent" if name == "Sent" else "", 0, 0, 0)
        for number, name in enumerate(names, 1)
    ]


@pytest.mark.parametrize(
    ("reference", "pattern", "matching"),
    [
        ("", "*", ["INBOX", "a", "a/b", "a/b/c", "a.b"]),
        ("", "%", ["INBOX", "a", "a.b"]),
        ("", "a/%", ["a/b"]),
        ("a/", "%", ["a/b"]),
        ("", "a*c", ["a/b/c"]),
        ("", "%/%", ["a/b"]),
        ("", "a.b", ["a.b"]),
        ("", "%%*%", ["INBOX", "a", "a/b", "a/b/c", "a.b"]),
    ],
)
def test_patterns(reference: str, pattern: str, matching: list[str]) -> None:
    matches = matcher(reference, [pattern])

    assert [name for name in ["INBOX", "a", "a/b", "a/b/c", "a.b"] if matches(name)] == matching


def test_many_wildcards_are_no_burden() -> None:
    assert not matcher("", ["*%" * 5000 + "x"])("a" * 200)
    assert not matcher("", ["*a" * 12 + "x"])("a" * 60)


def test_a_level_without_mailbox_is_shown_as_absent() -> None:
    listed = list_names(List("", ("%",)), records("INBOX", "a/b"), set())

    assert [(item.name, item.attributes) for item in listed] == [
        ("INBOX", ("\\HasNoChildren",)),
        ("a", ("\\NonExistent", "\\Noselect", "\\HasChildren")),
    ]


def test_special_use_is_an_attribute_and_a_selection() -> None:
    listed = list_names(List("", ("*",), frozenset({"SPECIAL-USE"})), records("INBOX", "Sent"), set())

    assert [(item.name, item.attributes) for item in listed] == [("Sent", ("\\HasNoChildren", "\\Sent"))]


def test_recursivematch_shows_the_parent_of_a_subscribed_mailbox() -> None:
    command = List("", ("%",), frozenset({"SUBSCRIBED", "RECURSIVEMATCH"}))
    listed = list_names(command, records("INBOX", "a", "a/b", "c"), {"a/b", "c"})

    assert [(item.name, item.child_subscribed) for item in listed] == [("a", True), ("c", False)]


def test_lsub_shows_a_level_above_only_for_percent() -> None:
    assert [(i.name, i.attributes) for i in lsub_names(Lsub("", "%"), {"a/b"})] == [("a", ("\\Noselect",))]
    assert [i.name for i in lsub_names(Lsub("", "*"), {"a/b"})] == ["a/b"]
