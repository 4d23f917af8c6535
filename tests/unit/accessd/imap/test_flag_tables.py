"""Flags kept between commands say what the index says."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.fetch_fields import FieldWriter
from accessd.imap.flag_tables import FlagTable, FlagTables, can_answer
from accessd.imap.grammar.fetch_att import Field
from mailcore.index.records import Changes, FlagRow

DAY = datetime(2024, 1, 1, tzinfo=UTC)


def row(uid: int, flags: int, keywords: list[str]) -> FlagRow:
    return FlagRow(uid, 1, flags, keywords, 1, DAY)


def table_of(rows: list[FlagRow]) -> FlagTable:
    table = FlagTable()
    table.load(rows, 5)
    return table


rows = st.dictionaries(
    st.integers(1, 30), st.tuples(st.integers(0, 31), st.lists(st.sampled_from(["a", "100%d", "b"]), unique=True))
).map(lambda found: [row(uid, *found[uid]) for uid in sorted(found)])


@given(
    rows,
    st.sampled_from([(Field.FLAGS,), (Field.UID, Field.FLAGS), (Field.FLAGS, Field.UID)]),
    st.integers(1, 31),
    st.sets(st.integers(1, 30), min_size=1),
)
def test_a_table_writes_what_rows_would(
    held: list[FlagRow], fields: tuple[Field, ...], recent: int, asked: set[int]
) -> None:
    uids = sorted(asked)
    numbers = {uid: number for number, uid in enumerate(uids, 1)}
    present = [found for found in held if found.uid in asked]
    their_numbers = [numbers[found.uid] for found in present]

    data, gone = table_of(held).responses(uids, numbers.__getitem__, fields, first_recent_uid=recent)

    assert data == FieldWriter(fields, first_recent_uid=recent).responses(their_numbers, present)
    assert gone == len(uids) - len(present)


@given(rows, rows, st.sets(st.integers(1, 30)), st.booleans())
def test_changes_lead_to_the_same_table_as_reading_it_anew(
    before: list[FlagRow], changed: list[FlagRow], expunged: set[int], remembered: bool
) -> None:
    after = {found.uid: found for found in before} | {
        found.uid: found for found in changed if found.uid not in expunged
    }
    left = [after[uid] for uid in sorted(after) if uid not in expunged]
    table = table_of(before)

    told = Changes(9, 31, [found for found in changed if found.uid not in expunged], sorted(expunged))
    table.apply(told if remembered else replace(told, expunged=[], present=sorted({row.uid for row in left})))

    uids = list(range(1, 31))
    fields = (Field.UID, Field.FLAGS)
    assert table.modseq == 9
    assert table.responses(uids, int, fields, first_recent_uid=99) == table_of(left).responses(
        uids, int, fields, first_recent_uid=99
    )


def test_only_flags_and_uids_are_answered() -> None:
    assert can_answer((Field.FLAGS,))
    assert not can_answer((Field.FLAGS, Field.SIZE))
    assert not can_answer((Field.UID,))


def test_a_mailbox_with_another_uidvalidity_is_another_mailbox() -> None:
    tables = FlagTables()

    assert tables.table(1, 7) is tables.table(1, 7)
    assert tables.table(1, 8) is not tables.table(1, 7)
