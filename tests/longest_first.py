"""The longest test files first: what is begun last decides when several processes are done.

Only under xdist, with `--dist loadfile --no-loadscope-reorder` (Makefile): files are handed out in the order in which
tests are collected, and here that is the order of tests/durations.txt, longest first. What is not listed there is
quick and comes last. The list is no promise; renew it when it has become wrong:

    make test PYTEST=".venv/bin/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --junitxml=report.xml"
    .venv/bin/python -m tests.longest_first report.xml
"""

from __future__ import annotations

import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
DURATIONS = Path(__file__).with_name("durations.txt")
# Shorter ones fill the gaps, in whatever order.
WORTH_LISTING_S = 4


def known_durations(text: str) -> dict[str, int]:
    """Seconds by path, from lines of both."""
    pairs = (line.split(None, 1) for line in text.splitlines() if line and not line.startswith("#"))
    return {path: int(seconds) for seconds, path in pairs}


def in_order(paths: Iterable[str], durations: Mapping[str, int]) -> dict[str, int]:
    """Each path with its place: longest first, then those of unknown length as they came."""
    ordered = sorted(dict.fromkeys(paths), key=lambda path: -durations.get(path, 0))
    return {path: place for place, path in enumerate(ordered)}


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The same order in every process, or xdist refuses to run."""
    if hasattr(config, "workerinput"):
        paths = [item.nodeid.partition("::")[0] for item in items]
        places = in_order(paths, known_durations(DURATIONS.read_text()))
        items.sort(key=lambda item: places[item.nodeid.partition("::")[0]])


def durations_of(reports: Iterable[Path]) -> Counter[str]:
    """Seconds by path, from reports that pytest has written with --junitxml."""
    found: Counter[str] = Counter()
    for report in reports:
        for case in ElementTree.parse(report).iter("testcase"):
            path = _path_of(case.get("classname", ""))
            found[path] += float(case.get("time", "0"))  # type: ignore[assignment]
    return found


def _path_of(class_name: str) -> str:
    """ "tests.unit.test_x.TestY" -> "tests/unit/test_x.py"."""
    parts = class_name.split(".")
    while parts and not (ROOT / Path(*parts)).with_suffix(".py").is_file():
        parts.pop()
    return f"{'/'.join(parts)}.py"


def main() -> None:
    """Write the list anew from reports."""
    listed = [
        (round(s), path) for path, s in durations_of(map(Path, sys.argv[1:])).most_common() if s >= WORTH_LISTING_S
    ]
    head = "# Seconds that test files take, on a machine that does nothing else: tests/longest_first.py.\n"
    DURATIONS.write_text(head + "".join(f"{seconds} {path}\n" for seconds, path in listed))


if __name__ == "__main__":
    main()
