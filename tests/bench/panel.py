"""Pages of the panel, lists of the API and webmail over large tables: what panel_scale.py prints, as one row."""

from __future__ import annotations

import json
import statistics
import subprocess
from typing import Any

from tests.bench.rows import Row
from tests.bench.servers import ROOT

PANEL = Row("Panel, API and webmail with 100,000 accounts", "panel_scale", "", (), of_both=False)
BUDGET_MS = 300.0
LONGEST_S = 3600.0
# By the first word of the page's name. The budget is for pages; what a command in a shell takes is only shown.
SHELL = "shell"

Pages = dict[str, dict[str, float]]


def panel_figures() -> dict[str, Any]:
    """{"pages": {page: {metric: value}}}. Raises ValueError when nothing was measured."""
    done = subprocess.run(PANEL.command, cwd=ROOT, stdout=subprocess.PIPE, text=True, timeout=LONGEST_S)
    pages = read_lines(done.stdout)
    if not pages:
        raise ValueError(f"panel_scale.py ended with exit code {done.returncode} and no figures")
    return {"pages": pages}


def read_lines(text: str) -> Pages:
    """Lines of {"row", "metric", "value"} by row."""
    pages: Pages = {}
    for line in text.splitlines():
        found = json.loads(line)
        pages.setdefault(found["row"], {})[found["metric"]] = found["value"]
    return pages


def table(pages: Pages) -> str:
    """A line for each part, then one for each page that misses the budget."""
    lines = [
        "| Part | Pages | median ms | slowest | ms | most queries | missed |",
        "|---|---:|---:|---|---:|---:|---:|",
    ]
    for part in dict.fromkeys(name.split(" ")[0] for name in pages):
        own = {name: figures for name, figures in pages.items() if name.split(" ")[0] == part and "ms" in figures}
        if own:
            waits = {name: figures["ms"] for name, figures in own.items()}
            slowest = max(waits, key=lambda name: waits[name])
            queries = max((figures["queries"] for figures in own.values() if "queries" in figures), default=None)
            lines.append(
                f"| {part} | {len(own)} | {statistics.median(waits.values()):,.0f} | {slowest.partition(' ')[2]} | "
                f"{waits[slowest]:,.0f} | {'-' if queries is None else f'{queries:,.0f}'} | "
                f"{sum(name in own for name in missed(pages))} |"
            )
    return "\n".join([*lines, "", *(f"- {_words(name, pages[name])}" for name in missed(pages))])


def missed(pages: Pages) -> list[str]:
    """Pages over the budget, and pages that did not answer."""
    judged = (name for name in pages if name.split(" ")[0] != SHELL)
    return [name for name in judged if pages[name].get("ms", BUDGET_MS + 1) > BUDGET_MS]


def _words(name: str, figures: dict[str, float]) -> str:
    return f"{name}: {figures['ms']:,.0f} ms" if "ms" in figures else f"{name}: no page ({figures.get('status')})"
