"""Names of others' mailboxes."""

import pytest

from mailcore.sharing import names

READER = "ann@a.test"


@pytest.mark.parametrize(
    ("owner", "name", "shown"),
    [
        ("ann@a.test", "Work", "Work"),
        ("bob@a.test", "INBOX", "user/bob@a.test/INBOX"),
        ("bob@a.test", "Work/2026", "user/bob@a.test/Work/2026"),
        ("x/y@a.test", "Work", "user/x/y@a.test/Work"),
        ("shared@a.test", "News", "shared/News"),
        ("shared@b.test", "News", "user/shared@b.test/News"),
    ],
)
def test_a_name_and_what_it_means(owner, name, shown):
    assert names.name_for(READER, owner, name) == shown
    if owner != READER:
        assert (owner, name) in names.meanings(READER, shown)


def test_a_slash_behind_the_domain_ends_the_address():
    assert names.meanings(READER, "user/bob@a.test/Work/2026") == [("bob@a.test", "Work/2026")]
    assert names.meanings(READER, 'user/"a@b/c"@a.test/Work') == [
        ('"a@b', 'c"@a.test/Work'),
        ('"a@b/c"@a.test', "Work"),
    ]


@pytest.mark.parametrize(
    "name",
    [
        # Each "/" or "@" would be another meaning, each with its copy of all that follows: gigabytes for one command.
        "user/bob@a.test/" + "a/" * 100_000,
        "user/" + "a@b/" * 60_000,
        "shared/" + "a/" * 100_000,
        "user/" + "b" * 300 + "@a.test/Work",
    ],
)
def test_what_is_too_long_for_an_address_or_a_name_means_nobody(name):
    assert names.meanings(READER, name) == []


def test_a_long_name_in_pieces_is_measured_as_it_is_kept():
    name = "o\u0308" * 900
    assert names.meanings(READER, f"shared/{name}") == [("shared@a.test", "\u00f6" * 900)]
    assert names.meanings(READER, f"shared/{name * 2}") == []


@pytest.mark.parametrize(
    "name", ["user", "user/", "user/bob", "user/bob/INBOX", "user/bob@a.test", "shared/", "shared"]
)
def test_incomplete_names_mean_nobody(name):
    assert names.meanings(READER, name) == []


def test_inbox_of_others_in_any_case():
    assert names.meanings(READER, "user/bob@a.test/inbox/Sub")[0] == ("bob@a.test", "INBOX/Sub")


def test_what_postgresql_cannot_hold_is_not_asked_for():
    assert names.meanings(READER, "shared/a\0b\ud800") == [("shared@a.test", "a\ufffdb?")]


@pytest.mark.parametrize(
    ("reference", "pattern", "reaches"),
    [
        ("", "*", True),
        ("", "%", True),
        ("", "u%", True),
        ("", "user/%", True),
        ("user/", "bob@a.test/*", True),
        ("", "shared/News", True),
        ("", "INBOX", False),
        ("", "Work/*", False),
        ("", "users/*", False),
        ("Work/", "%", False),
    ],
)
def test_which_lists_can_show_mailboxes_of_others(reference, pattern, reaches):
    assert names.reaches_others(reference, [pattern]) is reaches


def test_levels_above_nearest_first():
    assert names.above("a/b/c") == ["a/b", "a"]
    assert names.above("a") == []
