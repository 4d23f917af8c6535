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
    assert names.meanings(READER, "user/bob@a.test/Work/2026") == [
        ("bob@a.test", "Work/2026"),
        ("bob@a.test/work", "2026"),
    ]


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
