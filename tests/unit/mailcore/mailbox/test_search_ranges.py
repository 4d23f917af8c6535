"""Sets of numbers in SEARCH: what they name, and that it costs no more when it is named a thousand times."""

from hypothesis import given
from hypothesis import strategies as st

from mailcore.mailbox.search import _in_ranges, _resolved

END = st.none() | st.integers(1, 30)


@given(numbers=st.sets(st.integers(1, 35), min_size=1), ranges=st.lists(st.tuples(END, END), min_size=1, max_size=8))
def test_a_number_is_found_if_one_range_has_it(numbers: set[int], ranges: list[tuple[int | None, int | None]]) -> None:
    last = max(numbers)
    ends = [sorted((last if low is None else low, last if high is None else high)) for low, high in ranges]

    assert set(_in_ranges(numbers, ranges, last)) == {
        number for number in numbers if any(low <= number <= high for low, high in ends)
    }


def test_what_is_named_often_is_one_range() -> None:
    assert _resolved([(1, None), (None, 7), (9, 2)] * 10_000, 20) == [(1, 20)]
    assert _resolved([(5, 7), (1, 2), (6, 9)] * 10_000, 20) == [(1, 2), (5, 9)]
