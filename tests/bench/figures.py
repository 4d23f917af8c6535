"""Medians and ranges out of the journal: one cell of the table.

Attempts during which other programs used the machine (noisy) are left out where there are undisturbed ones, and
counted either way.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from tests.bench.journal import Attempt
from tests.bench.suite import dig


@dataclass(frozen=True, slots=True)
class Cell:
    """One figure of one server over the runs that count."""

    values: tuple[float, ...]

    @property
    def median(self) -> float | None:
        return statistics.median(self.values) if self.values else None

    def __str__(self) -> str:
        """Median and range."""
        if self.median is None:
            return "-"
        if len(self.values) == 1:
            return f"{number(self.median)} (1 run)"
        ends = f"{number(min(self.values))} to {number(max(self.values))}"
        return f"{number(self.median)} ({ends}, {len(self.values)} runs)"


def number(value: float) -> str:
    """Four digits at most, thousands with a comma, never an exponent."""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 10 else 3
    text = f"{value:,.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def counted(attempts: Sequence[Attempt], label: str) -> list[Attempt]:
    """The attempts of a server whose figures count: undisturbed ones if there are any. A run that was repeated because
    it was disturbed counts once, with its last attempt.
    """
    with_result = [attempt for attempt in attempts if attempt.label == label and attempt.result]
    quiet = [attempt for attempt in with_result if not attempt.noisy]
    last = {attempt.run: attempt for attempt in quiet or with_result}
    return list(last.values())


def cell(attempts: Sequence[Attempt], label: str, path: str) -> Cell:
    """One figure of one server."""
    found = [dig(attempt.result, path) for attempt in counted(attempts, label)]
    return Cell(tuple(value for value in found if isinstance(value, int | float) and not isinstance(value, bool)))
