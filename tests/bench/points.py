"""The raw results of the growth curves, one JSON object per line: a size of a curve, measured or failed.

The newest point of a size counts. A point is written when all of its rounds are done, so an interrupted run goes on
with the size it was at.
"""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Any


class Points:
    """The file, and what is in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.lines: list[dict[str, Any]] = []
        if path.exists():
            self.lines = [json.loads(line) for line in path.read_text().splitlines()]

    def add(self, curve: str, size: int, facts: dict[str, str], **outcome: Any) -> None:
        """Keep a point: rounds=[{measure: value}], or error="why there is none"."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S")
        line = {"curve": curve, "size": size, "time": at, "facts": facts, **outcome}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        self.lines.append(line)

    def newest(self, curve: str) -> dict[int, dict[str, Any]]:
        """The newest line of each size, in the order of sizes. A failure does not hide an earlier result."""
        found: dict[int, dict[str, Any]] = {}
        for line in self.lines:
            if line["curve"] == curve and ("rounds" in line or line["size"] not in found):
                found[line["size"]] = line
        return dict(sorted(found.items()))

    def is_done(self, curve: str, size: int) -> bool:
        return "rounds" in self.newest(curve).get(size, {})

    def series(self, curve: str, measure: str) -> dict[int, list[float]]:
        """All rounds of one measure, by size."""
        rounds = {size: line.get("rounds", []) for size, line in self.newest(curve).items()}
        found = {size: [values[measure] for values in each if measure in values] for size, each in rounds.items()}
        return {size: values for size, values in found.items() if values}

    def medians(self, curve: str, measure: str) -> dict[int, float]:
        return {size: statistics.median(values) for size, values in self.series(curve, measure).items()}


def worst_change(medians: dict[int, float], *, more_is_better: bool) -> float:
    """How much worse the worst size is than the best of the smaller ones: 0.2 is 20 % more cost for the same work.

    For a rate the cost is the time for one. 0.0 when nothing is worse, or there is nothing to compare.
    """
    costs = [(1 / value if more_is_better else value) for _, value in sorted(medians.items()) if value > 0]
    best, worst = float("inf"), 0.0
    for cost in costs:
        worst = max(worst, cost / best - 1)
        best = min(best, cost)
    return worst
