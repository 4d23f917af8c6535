"""What the index learns from a store: pure comparison."""

from datetime import UTC, datetime

import pytest

from mailcore.index.records import MessageRow
from mailcore.mailbox.reconcile import compare
from mailcore.message.flags import DELETED, FLAGGED, SEEN, Flags

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def row(uid: int, flags: int = 0, *keywords: str, key: str = "") -> MessageRow:
    return MessageRow(uid, key or f"key{uid}", flags, list(keywords), 10, NOW, 1)


def found(**messages: Flags) -> dict[str, Flags]:
    return messages


def test_nothing_to_do_when_both_say_the_same():
    plan = compare(found(key1=Flags(SEEN), key2=Flags(0, frozenset({"a"}))), None, [row(1, SEEN), row(2, 0, "a")])

    assert not plan


def test_files_without_rows_are_adopted_and_rows_without_files_dropped():
    plan = compare(found(key2=Flags(), new=Flags(SEEN)), None, [row(1), row(2)])

    assert plan.adopt == ["new"]
    assert [each.uid for each in plan.drop] == [1]
    assert plan.flags == []


def test_a_second_row_of_one_file_is_dropped():
    plan = compare(found(key1=Flags()), None, [row(1), row(2, key="key1")])

    assert [each.uid for each in plan.drop] == [2]
    assert plan.adopt == []


def test_a_row_whose_content_a_journal_holds_is_neither_dropped_nor_counted_as_something_to_do():
    plan = compare(found(key3=Flags()), None, [row(1), row(2), row(3)], {1, 3})

    assert [each.uid for each in plan.drop] == [2]
    assert [each.uid for each in plan.kept] == [1]
    assert not compare(found(), None, [row(1)], {1})


@pytest.mark.parametrize(
    ("on_disk", "nameable", "known", "expected"),
    [
        (Flags(SEEN), None, row(1), Flags(SEEN)),
        (Flags(), None, row(1, SEEN | FLAGGED), Flags()),
        (Flags(DELETED), None, row(1, DELETED), None),
        (Flags(), None, row(1, 0, "gone"), Flags()),
        (Flags(), frozenset({"gone"}), row(1, 0, "gone"), Flags()),
        (Flags(), frozenset({"other"}), row(1, 0, "cannot-be-named"), None),
        (Flags(0, frozenset({"WORD"})), frozenset({"WORD"}), row(1, 0, "word"), None),
        (
            Flags(SEEN, frozenset({"a"})),
            frozenset({"a", "b"}),
            row(1, 0, "b", "unnamed"),
            Flags(SEEN, frozenset({"a", "unnamed"})),
        ),
    ],
)
def test_flags_are_the_stores_as_far_as_it_can_say(on_disk, nameable, known, expected):
    plan = compare({"key1": on_disk}, nameable, [known])

    assert plan.flags == ([] if expected is None else [(known, expected)])
