"""Flags and their changes."""

import pytest

from mailcore.index.records import ANSWERED, DELETED, SEEN, FlagChange, FlagMode, Flags


def test_flag_names_are_read_in_any_case_and_unknown_system_flags_left_out():
    flags = Flags.parse(["\\sEEN", "\\Recent", "\\Unknown", "$Junk", "word"])

    assert flags == Flags(SEEN, frozenset({"$Junk", "word"}))
    assert flags.names() == ["\\Seen", "$Junk", "word"]
    assert flags
    assert not Flags()


@pytest.mark.parametrize(
    ("mode", "wanted", "expected"),
    [
        (FlagMode.ADD, Flags(SEEN), Flags(SEEN | ANSWERED, frozenset({"Old", "two"}))),
        (FlagMode.ADD, Flags(0, frozenset({"OLD", "new"})), Flags(ANSWERED, frozenset({"Old", "two", "new"}))),
        (FlagMode.REMOVE, Flags(ANSWERED | DELETED, frozenset({"oLD"})), Flags(0, frozenset({"two"}))),
        (FlagMode.REPLACE, Flags(DELETED, frozenset({"old"})), Flags(DELETED, frozenset({"Old"}))),
        (FlagMode.REPLACE, Flags(), Flags()),
    ],
)
def test_changes(mode, wanted, expected):
    assert FlagChange(mode, wanted).apply(ANSWERED, ["Old", "two"]) == expected
