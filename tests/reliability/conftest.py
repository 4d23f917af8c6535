"""What the fault runs share: short in `make test`, long in `make soak` (--soak), and a record of what each has found.

`length(short, long)` chooses a duration or a count. `record(number, promise, **figures)` keeps one row of the summary;
`make soak` writes docs/reliability.md from the rows (tests/reliability/summary.py).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROWS = Path(__file__).resolve().parent.parent / "artifacts" / "reliability"


@pytest.fixture(scope="session")
def length(request: pytest.FixtureRequest) -> Callable[[float, float], float]:
    """Choose between the short figure of `make test` and the long one of `make soak`."""
    is_long: bool = request.config.getoption("--soak")
    return lambda short, long: long if is_long else short


@pytest.fixture
def record(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Keep what a run has measured: its number in the list of promises, the promise in a few words, figures by name."""
    begun = time.monotonic()

    def keep(number: int, promise: str, **figures: Any) -> None:
        ROWS.mkdir(parents=True, exist_ok=True)
        row = {
            "number": number,
            "promise": promise,
            "test": request.node.nodeid,
            "soak": request.config.getoption("--soak"),
            "seconds": round(time.monotonic() - begun, 1),
            "figures": figures,
        }
        (ROWS / f"{number}-{request.node.name}.json").write_text(json.dumps(row, indent=1))

    return keep
