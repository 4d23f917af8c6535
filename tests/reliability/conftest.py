"""What the fault runs share: short in `make test`, long in `make soak` (--soak), and a record of what each has found.

`length(short, long)` chooses a duration or a count. `record(number, promise, **figures)` keeps figures of a run. What
became of each test is written to a file when it ends, with its figures or its error; `make soak` writes
docs/reliability.md from these files (tests/reliability/summary.py).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "tests" / "artifacts" / "reliability"
LONGEST_ERROR = 300

RECORDS = pytest.StashKey[list[dict[str, Any]]]()


@pytest.fixture(scope="session")
def length(request: pytest.FixtureRequest) -> Callable[[float, float], float]:
    """Choose between the short figure of `make test` and the long one of `make soak`."""
    is_long: bool = request.config.getoption("--soak")
    return lambda short, long: long if is_long else short


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep what a run has measured: its number in the list of promises, the promise in a few words, figures by name."""

    def keep(number: int, promise: str, **figures: Any) -> None:
        found = request.node.stash.setdefault(RECORDS, [])
        found.append({"number": number, "promise": promise, "figures": figures})

    return keep


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write down what became of the test, whether it came to measuring anything or not."""
    report = yield
    if report.when == "call" or report.failed:
        keep_row(item, report)
    return report


def keep_row(item: pytest.Item, report: pytest.TestReport) -> None:
    """One file per test, short and long runs apart."""
    folder = ROWS / ("soak" if item.config.getoption("--soak") else "short")
    folder.mkdir(parents=True, exist_ok=True)
    row = {
        "test": item.nodeid,
        "outcome": report.outcome,
        "seconds": round(report.duration, 1),
        "error": error_of(report),
        "records": item.stash.get(RECORDS, []),
    }
    (folder / f"{file_name(item.nodeid)}.json").write_text(json.dumps(row, indent=1, default=str))


def error_of(report: pytest.TestReport) -> str:
    """What went wrong, in a line that may be published."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else report.longreprtext if report.failed else ""
    return text.replace(f"{ROOT}/", "").strip().partition("\n")[0][:LONGEST_ERROR]


def file_name(test: str) -> str:
    """A name that any file system takes, and no two tests share."""
    return f"{re.sub(r'[^a-zA-Z0-9]+', '-', test)[-80:]}-{hashlib.sha256(test.encode()).hexdigest()[:8]}"
