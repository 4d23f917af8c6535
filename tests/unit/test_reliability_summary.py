"""The summary of the fault runs says what the rows say: failures as failures, what was not run as not run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.reliability.summary import BEGIN, END, PAGE, PROMISES, Machine, Row, read_rows, replace, summary

MACHINE = Machine("2026-11-22 12:00 UTC", 2, 31, "Linux 6.1", "3.11.2")
KILLED = Row(
    "tests/reliability/test_chaos.py::test_it",
    "passed",
    61.4,
    records=[{"number": 1, "promise": "kill -9", "figures": {"seed": 7, "SMTP": {"lost": 0, "sent_again": 12}}}],
)
FULL = Row("tests/reliability/test_disk_full.py::test_append[a|b]", "failed", 3.0, "assert 'NO' == 'OK' | <x>")


def test_each_promise_has_a_line_with_its_tests_and_seconds():
    text = summary([KILLED], MACHINE)

    assert f"| 1 | {PROMISES[0][2]} | 1 | none | 61 |" in text
    assert "2 cores, 31 GiB, Linux 6.1, Python 3.11.2; 61 s in all" in text


def test_what_was_not_run_is_not_run():
    lines = [line for line in summary([KILLED], MACHINE).splitlines() if line.endswith("| not run | | |")]

    assert len(lines) == len(PROMISES) - 1


def test_figures_are_in_words():
    text = summary([KILLED], MACHINE)

    assert "| 1 | kill -9 | 61 | seed: 7<br>SMTP: lost 0; sent again 12 |" in text


def test_a_failure_is_counted_and_named_even_when_nothing_was_measured():
    text = summary([KILLED, FULL], MACHINE)

    assert f"| 3 | {PROMISES[2][2]} | 1 | 1 | 3 |" in text
    assert (
        "- **Failed**: `tests/reliability/test_disk_full.py::test_append[a|b]`: assert 'NO' == 'OK' \\| &lt;x>" in text
    )


def test_figures_of_a_run_that_failed_say_so():
    failed = Row(KILLED.test, "failed", 61.4, "lost", KILLED.records)

    assert "| 1 | kill -9 (**failed**) | 61 |" in summary([failed], MACHINE)


def test_only_what_is_between_the_markers_changes():
    page = f"before\n{BEGIN}\nold\n{END}\nafter\n"

    assert replace(page, "new") == f"before\n{BEGIN}\n\nnew\n\n{END}\nafter\n"
    assert replace(replace(page, "old"), "new") == replace(page, "new")


def test_a_page_without_markers_is_left_alone():
    with pytest.raises(ValueError):
        replace(f"text {END} {BEGIN}", "new")


def test_rows_are_read_in_order(tmp_path: Path):
    for number, name in enumerate(("b", "a")):
        row = {"test": f"tests/reliability/test_{name}.py::t", "outcome": "passed", "seconds": number, "error": ""}
        (tmp_path / f"{number}.json").write_text(json.dumps({**row, "records": []}))

    assert [row.module for row in read_rows(tmp_path)] == ["test_a", "test_b"]


def test_the_page_has_a_place_for_it():
    assert "new" in replace(PAGE.read_text(), "new")


def test_every_fault_run_belongs_to_a_promise():
    modules = [path.stem for path in Path(__file__).parents[1].joinpath("reliability").glob("test_*.py")]

    assert [name for name in modules if not any(name.startswith(module) for _, module, _ in PROMISES)] == []
