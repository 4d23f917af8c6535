"""LIST and LSUB: patterns, parents, attributes."""

import time

import pytest

from accessd.imap.command import List, Lsub
from accessd.imap.grammar.args_mailboxes import MOST_PATTERNS, list_
from accessd.imap.grammar.tokens import LimitReached, Scanner
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


def test_long_names_and_patterns_are_no_burden() -> None:
    """It is done on the event loop, for thousands of names that the client may have made for it."""
    matches = matcher("", ["*a" * 900 + "b", "%a" * 900 + "b"])
    begin = time.process_time()
    assert not any(matches("a" * 990 + str(number)) for number in range(100))
    assert time.process_time() - begin < 1


@pytest.mark.parametrize(
    ("pattern", "name", "fits"),
    [
        ("inb%", "INBOX", True),
        ("i*/%x", "INBOX/a/x", True),
        ("i%/x", "INBOX/a/x", False),
        ("%/b%/c", "a/bb/c", True),
        ("%%/%", "a/b/c", False),
        ("ß%", "INBOX", False),
        ("INBOX/A", "INBOX/a", False),
        ("%", "a/", False),
        ("%", "", True),
        ("a%", "a", True),
        ("a%b%c", "abbcbc", True),
    ],
)
def test_patterns_one_by_one(pattern: str, name: str, fits: bool) -> None:
    assert matcher("", [pattern])(name) is fits


def test_a_level_without_mailbox_is_shown_as_absent() -> None:
    listed = list_names(List("", ("%",)), records("INBOX", "a/b"), set())

    assert [(item.name, item.attributes) for item in listed] == [
        ("INBOX", ("\\HasNoChildren",)),
        ("a", ("\\NonExistent", "\\Noselect", "\\HasChildren")),
    ]


def test_special_use_is_an_attribute_and_a_selection() -> None:
    listed = list_names(List("", ("*",), frozenset({"SPECIAL-USE"})), records("INBOX", "Sent"), set())

    assert [(item.name, item.attributes) for item in listed] == [("Sent", ("\\HasNoChildren", "\\Sent"))]


RECURSIVE = frozenset({"SUBSCRIBED", "RECURSIVEMATCH"})


def shown(command: List, *names: str, subscribed: set[str], rev2: bool = False) -> list[tuple[str, tuple[str, ...]]]:
    return [(item.name, item.criteria) for item in list_names(command, records(*names), subscribed, rev2=rev2)]


def test_recursivematch_shows_the_parent_of_a_subscribed_mailbox() -> None:
    found = shown(List("", ("%",), RECURSIVE), "INBOX", "a", "a/b", "c", subscribed={"a/b", "c"})

    assert found == [("a", ("SUBSCRIBED",)), ("c", ())]


def test_a_parent_stands_only_for_what_is_not_shown_itself() -> None:
    """RFC 5258 section 3.5: redundant CHILDINFO responses are suppressed; one that is chosen itself keeps its own."""
    names = ("INBOX", "a", "a/b", "c", "c/d")
    subscribed = {"a/b", "c", "c/d"}

    assert shown(List("", ("*",), RECURSIVE), *names, subscribed=subscribed) == [
        ("a/b", ()),
        ("c", ("SUBSCRIBED",)),
        ("c/d", ()),
    ]
    assert shown(List("", ("a", "c/%"), RECURSIVE), *names, subscribed=subscribed) == [
        ("a", ("SUBSCRIBED",)),
        ("c/d", ()),
    ]


def test_what_stands_only_for_those_below_it_is_not_chosen() -> None:
    """RFC 9051 section 6.3.9.8, example 11: it has no STATUS."""
    listed = list_names(List("", ("%",), RECURSIVE), records("INBOX", "a", "a/b", "c"), {"a/b", "c"})

    assert [(item.name, item.is_chosen) for item in listed] == [("a", False), ("c", True)]


def test_a_parent_that_does_not_exist_is_shown_for_a_subscribed_name_that_does_not_either() -> None:
    assert shown(List("", ("%",), RECURSIVE), "INBOX", subscribed={"gone/below"}) == [("gone", ("SUBSCRIBED",))]


def test_recursivematch_follows_special_use_too() -> None:
    command = List("", ("%",), frozenset({"SPECIAL-USE", "RECURSIVEMATCH"}))
    [parent] = list_names(
        command, [*records("INBOX", "a"), MailboxRecord(9, 1, "a/x", 1, 1, 1, 1, "\\Junk", 0, 0, 0)], {"INBOX"}
    )

    assert (parent.name, parent.criteria) == ("a", ("SPECIAL-USE",))


def test_rev2_says_of_an_absent_level_one_thing_only() -> None:
    """RFC 9051, mbx-list-sflag."""
    [item] = list_names(List("", ("%",)), records("a/b"), set(), rev2=True)

    assert item.attributes == ("\\NonExistent", "\\HasChildren")


@pytest.mark.parametrize("pattern", ["inbox*", "iNb%", "*nbox", "IN*OX"])
def test_inbox_matches_in_any_case(pattern: str) -> None:
    matches = matcher("", [pattern])

    assert matches("INBOX")
    assert not matches("a/INBOX")


def test_other_names_and_levels_below_inbox_keep_their_case() -> None:
    assert not matcher("", ["INBOX*"])("inbox2")
    assert matcher("", ["inbox/a*"])("INBOX/ab")
    assert not matcher("", ["inbox/a*"])("INBOX/Ab")


def test_a_pattern_in_another_normal_form_matches() -> None:
    assert matcher("", ["e\N{COMBINING ACUTE ACCENT}*"])("\N{LATIN SMALL LETTER E WITH ACUTE}tude")


def test_lsub_shows_a_level_above_only_for_percent() -> None:
    assert [(i.name, i.attributes) for i in lsub_names(Lsub("", "%"), {"a/b"})] == [("a", ("\\Noselect",))]
    assert [i.name for i in lsub_names(Lsub("", "*"), {"a/b"})] == ["a/b"]


def test_a_command_has_so_many_patterns_at_most() -> None:
    def asked(count: int) -> bytes:
        return b' "" (%b)' % b" ".join(b"p%d P p" % number for number in range(count))

    command = list_(Scanner(asked(MOST_PATTERNS - 2)))
    assert isinstance(command, List)
    assert len(command.patterns) == MOST_PATTERNS
    with pytest.raises(LimitReached):
        list_(Scanner(asked(MOST_PATTERNS - 1)))
