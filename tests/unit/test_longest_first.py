"""The order in which test files are handed out: the longest first, and the list of durations says what there is."""

from pathlib import Path

from tests.longest_first import DURATIONS, ROOT, durations_of, in_order, known_durations

REPORT = """<testsuites><testsuite>
<testcase classname="tests.unit.test_longest_first" name="a" time="1.5"/>
<testcase classname="tests.unit.test_longest_first.TestClass" name="b" time="2.0"/>
<testcase classname="tests.unit.test_docs" name="c" time="0.25"/>
</testsuite></testsuites>"""


def test_what_takes_long_begins_first_and_what_is_not_listed_keeps_its_place_behind():
    paths = ["a.py", "b.py", "b.py", "c.py", "d.py", "a.py"]

    assert list(in_order(paths, {"d.py": 9, "b.py": 60})) == ["b.py", "d.py", "a.py", "c.py"]


def test_every_listed_file_exists_and_the_longest_stands_first():
    listed = known_durations(DURATIONS.read_text())

    assert [path for path in listed if not (ROOT / path).is_file()] == []
    assert list(listed.values()) == sorted(listed.values(), reverse=True)


def test_durations_are_those_of_a_report(tmp_path: Path):
    (tmp_path / "report.xml").write_text(REPORT)

    found = durations_of([tmp_path / "report.xml"])

    assert found == {"tests/unit/test_longest_first.py": 3.5, "tests/unit/test_docs.py": 0.25}
