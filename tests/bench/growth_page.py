"""The growth curves on docs/benchmarks.md: a plot and a table for each, and which of them are flat."""

from __future__ import annotations

from pathlib import Path

from tests.bench.curves import accounts, destinations, idle, mailbox, queue, recipients
from tests.bench.curves.curve import Curve, Measure
from tests.bench.figures import number
from tests.bench.points import Points, worst_change

CURVES: tuple[Curve, ...] = tuple(module.CURVE for module in (accounts, mailbox, queue, idle, recipients, destinations))
FLAT = 0.20


def section(results: Path) -> str:
    """Empty when nothing was measured."""
    points = Points(results)
    parts = [curve_section(points, curve) for curve in CURVES if points.newest(curve.name)]
    if not parts:
        return ""
    flat = [change <= FLAT for curve in CURVES for measure in curve.measures
            if measure.flat and (change := change_of(points, curve, measure)) is not None]  # fmt: skip
    head = (
        "## Growth\n\nMeasured by `make bench-growth`: the same work at growing sizes, the median of the rounds. The "
        "last column says by how much the worst size is worse than the best of the smaller ones; flat is what stays "
        f"within {FLAT:.0%}. {sum(flat)} of {len(flat)} figures that should be flat are."
    )
    return "\n\n".join([head, *parts])


def curve_section(points: Points, curve: Curve) -> str:
    """Plot, table, failures."""
    sizes = list(points.newest(curve.name))
    lines = [
        f"### {curve.title}\n",
        f"{curve.about}\n",
        f"![{curve.title}](plots/{curve.name}.svg)\n",
        f"| Figure | {' | '.join(f'{size:,}' for size in sizes)} | Change |",
        f"|---|{'---:|' * len(sizes)}---|",
        *(_line(points, curve, measure, sizes) for measure in curve.measures),
    ]
    errors = {size: line["error"] for size, line in points.newest(curve.name).items() if "error" in line}
    lines += [f"\n{size:,} {curve.axis}: not measured ({error})." for size, error in errors.items()]
    machines = dict.fromkeys(
        f"{line['facts']['date']}, {line['facts']['ours']}, {line['facts']['machine']}"
        for line in points.newest(curve.name).values()
    )
    return "\n".join([*lines, "", *(f"{machine}." for machine in machines)])


def change_of(points: Points, curve: Curve, measure: Measure) -> float | None:
    """None with fewer than two sizes."""
    medians = points.medians(curve.name, measure.name)
    return worst_change(medians, more_is_better=measure.more_is_better) if len(medians) > 1 else None


def _line(points: Points, curve: Curve, measure: Measure, sizes: list[int]) -> str:
    medians = points.medians(curve.name, measure.name)
    cells = [number(medians[size]) if size in medians else "-" for size in sizes]
    arrow = "↑" if measure.more_is_better else "↓"
    change = change_of(points, curve, measure)
    return f"| {measure.name}, {measure.unit} {arrow} | {' | '.join(cells)} | {_verdict(measure, change)} |"


def _verdict(measure: Measure, change: float | None) -> str:
    if change is None:
        return ""
    if not measure.flat:
        return f"+{change:.0%}; {measure.grows}"
    return f"flat (+{change:.0%})" if change <= FLAT else f"**not flat (+{change:.0%})**"
