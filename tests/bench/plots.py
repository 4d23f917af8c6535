"""The growth curves as SVG: one file for each curve, one panel for each measure, the range of the rounds as a band.

The files are the same for the same figures: ids come from a fixed salt, and no date is written.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("svg")
from matplotlib import pyplot

from tests.bench.curves.curve import Curve, Measure
from tests.bench.growth_page import CURVES, FLAT, change_of
from tests.bench.points import Points
from tests.bench.servers import ROOT

FOLDER = ROOT / "docs" / "plots"
COLUMNS = 3
FLAT_COLOUR, STEEP_COLOUR, OTHER_COLOUR = "#2b6cb0", "#c53030", "#718096"
STYLE = {"svg.hashsalt": "mailkeep", "svg.fonttype": "none", "font.size": 9, "axes.spines.top": False,
         "axes.spines.right": False}  # fmt: skip


def draw_all(results: Path, folder: Path = FOLDER) -> list[Path]:
    """Draw what was measured. Returns the files."""
    points = Points(results)
    folder.mkdir(parents=True, exist_ok=True)
    found = [curve for curve in CURVES if any(points.medians(curve.name, m.name) for m in curve.measures)]
    return [draw(points, curve, folder / f"{curve.name}.svg") for curve in found]


def draw(points: Points, curve: Curve, target: Path) -> Path:
    """One curve."""
    measures = [measure for measure in curve.measures if points.medians(curve.name, measure.name)]
    rows = math.ceil(len(measures) / COLUMNS)
    with mpl.rc_context(STYLE):
        figure, axes = pyplot.subplots(rows, COLUMNS, figsize=(3.2 * COLUMNS, 2.4 * rows), squeeze=False)
        for place, panel in enumerate(axes.flat):
            if place < len(measures):
                _panel(panel, points, curve, measures[place])
            else:
                panel.set_visible(False)
        figure.tight_layout()
        figure.savefig(target, format="svg", metadata={"Date": None, "Creator": None})
        pyplot.close(figure)
    return target


def _panel(panel: Any, points: Points, curve: Curve, measure: Measure) -> None:
    series, medians = points.series(curve.name, measure.name), points.medians(curve.name, measure.name)
    change = change_of(points, curve, measure)
    judged = FLAT_COLOUR if change is None or change <= FLAT else STEEP_COLOUR
    colour = judged if measure.flat else OTHER_COLOUR
    sizes = list(medians)
    panel.fill_between(sizes, [min(series[s]) for s in sizes], [max(series[s]) for s in sizes], color=colour, alpha=0.2)
    panel.plot(sizes, list(medians.values()), marker="o", markersize=3, color=colour)
    panel.set_xscale("log")
    panel.set_ylim(bottom=0, top=1.25 * max(max(values) for values in series.values()) or 1)
    panel.set_title(f"{measure.name}, {measure.unit}", fontsize=9)
    panel.set_xlabel(curve.axis, fontsize=8)
