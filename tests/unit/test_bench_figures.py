"""The benchmark's arithmetic: which runs count, what a figure is worth against a budget, which curves are flat."""

import pytest

from tests.bench.budgets import BUDGETS, Budget, budget_of, judge
from tests.bench.figures import cell, number
from tests.bench.growth_page import CURVES
from tests.bench.journal import Attempt
from tests.bench.panel import missed, read_lines, table
from tests.bench.points import worst_change
from tests.bench.rows import ROWS, row_named

TWICE = Budget(("a row",), "rate", must=2, aim=3)
AT_MOST_HALF = Budget(("a row",), "cost", must=0.5, aim=0.25)
VALUE = Budget(("a row",), "cost", must=300, absolute=True)


def attempt(value, *, run=1, label="ours", noisy=False):
    return Attempt("a row", "words", label, run, 1, "s", noisy=noisy, result={"part": {"rate": value}})


def test_every_budget_names_rows_and_figures_that_exist():
    for budget in BUDGETS:
        for name in budget.rows:
            assert budget.path in {figure.path for figure in row_named(name).figures}, (name, budget.path)


def test_every_row_that_the_tools_measure_is_found_by_its_name():
    assert len({row.name for row in ROWS}) == len(ROWS)
    assert budget_of("SMTP to mailbox, 20 sessions", "delivered_per_s").must == 4
    assert budget_of("SMTP to mailbox, 20 sessions", "accepted_per_s") is None


@pytest.mark.parametrize(
    ("wanted", "matches"),
    [
        ("", True),
        ("1,000 idle", True),
        ("hold", True),
        ("e2e,hold -c", True),
        ("10,000 idle,SMTP to mailbox, 20", False),
        ("HOLD", True),
    ],
)
def test_commas_in_numbers_and_sentences_separate_no_rows(wanted, matches):
    assert row_named("1,000 idle IMAP connections").matches(wanted) is matches


@pytest.mark.parametrize(
    ("ours", "theirs", "held", "aim"), [(199, 100, False, False), (200, 100, True, False), (300, 100, True, True)]
)
def test_a_rate_must_be_a_multiple_of_the_peers(ours, theirs, held, aim):
    verdict = judge(TWICE, ours, theirs, more_is_better=True)

    assert (verdict.held, verdict.reached_aim) == (held, aim)


def test_a_cost_must_be_a_part_of_the_peers():
    assert judge(AT_MOST_HALF, 5, 10, more_is_better=False).held
    assert not judge(AT_MOST_HALF, 5.1, 10, more_is_better=False).held
    assert judge(AT_MOST_HALF, 2.5, 10, more_is_better=False).reached_aim


def test_a_value_needs_no_peer_and_a_multiple_does():
    assert judge(VALUE, 299, None, more_is_better=False).held
    assert not judge(VALUE, 301, 1000, more_is_better=False).held
    assert judge(TWICE, 100, None, more_is_better=True) is None


def test_disturbed_runs_count_only_where_there_are_no_others():
    mixed = [attempt(10, run=1), attempt(99, run=2, noisy=True), attempt(20, run=3)]

    assert cell(mixed, "ours", "part.rate").values == (10, 20)
    assert cell(mixed[1:2], "ours", "part.rate").values == (99,)


def test_a_run_that_was_repeated_counts_once():
    repeated = [attempt(10, noisy=True), attempt(11, noisy=True), attempt(12, run=2, noisy=True)]

    assert cell(repeated, "ours", "part.rate").values == (11, 12)


def test_a_cell_shows_median_and_range():
    shown = cell([attempt(100, run=1), attempt(300, run=2), attempt(150, run=3)], "ours", "part.rate")

    assert str(shown) == "150 (100 to 300, 3 runs)"
    assert str(cell([], "ours", "part.rate")) == "-"
    assert str(cell([attempt(True)], "ours", "part.rate")) == "-", "a yes is not a figure"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.33, "0.33"), (1.25, "1.25"), (12.344, "12.34"), (806.14, "806.1"), (54321.9, "54,322"), (0, "0")],
)
def test_numbers_are_short_and_never_exponents(value, text):
    assert number(value) == text


def test_a_curve_is_judged_by_the_best_of_the_smaller_sizes():
    assert worst_change({100: 10, 1000: 11, 10000: 12}, more_is_better=False) == pytest.approx(0.2)
    assert worst_change({100: 14, 1000: 10, 10000: 13}, more_is_better=False) == pytest.approx(0.3), "a slow start"
    assert worst_change({100: 14, 1000: 10}, more_is_better=False) == 0.0, "becoming cheaper is no growth"
    assert worst_change({10: 1000, 100: 500}, more_is_better=True) == pytest.approx(1.0), (
        "half the rate: twice the cost"
    )
    assert worst_change({100: 5}, more_is_better=True) == 0.0


def test_a_figure_that_may_grow_says_why():
    for curve in CURVES:
        for measure in curve.measures:
            assert measure.flat is not bool(measure.grows), (curve.name, measure.name)
        assert list(curve.sizes) == sorted(curve.sizes) and set(curve.small) <= set(range(curve.sizes[-1] + 1))


LINES = """\
{"row": "panel accounts: first page", "metric": "ms", "value": 301.0}
{"row": "panel accounts: first page", "metric": "queries", "value": 9}
{"row": "API queue", "metric": "ms", "value": 20.5}
{"row": "API broken", "metric": "status", "value": 500}
{"row": "shell mailq", "metric": "ms", "value": 900.0}
"""


def test_slow_pages_and_pages_that_fail_miss_the_budget_but_commands_do_not():
    pages = read_lines(LINES)

    assert missed(pages) == ["panel accounts: first page", "API broken"]
    assert "panel accounts: first page: 301 ms" in table(pages)
    assert "API broken: no page (500)" in table(pages)
