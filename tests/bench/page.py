"""docs/benchmarks.md, made of the results: no figure on it is written by hand.

What people wrote stands in tests/bench/*.md: the introduction, the end, and what bounds a row that misses its budget
(benchmarks-bounds.md, a section for each name of a row or of a row and figure).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bench import growth_page, panel
from tests.bench.budgets import Budget, Verdict, budget_of, judge
from tests.bench.figures import Cell, cell, counted, number
from tests.bench.journal import Attempt, Journal
from tests.bench.panel import PANEL
from tests.bench.rows import ROWS, Figure, Row
from tests.bench.servers import ROOT, Appliance, Peer
from tests.bench.suite import dig

HERE = Path(__file__).resolve().parent
PAGE = ROOT / "docs" / "benchmarks.md"
# Which shares of the machine a row used, from load.py's own account of it.
NOT_EXAMINED = "Not examined yet."


def write(results: Path, target: Path = PAGE) -> None:
    """Write the page from the results, with the growth curves if there are any beside them."""
    journal = Journal(results)
    parts = [
        _text("intro"),
        where(journal),
        comparison(journal),
        misses(journal, bounds(_text("bounds"))),
        panel_section(journal),
        usage(journal),
        growth_page.section(results.with_name("growth.jsonl")),
        notes(journal),
        _text("outro"),
    ]
    target.write_text("\n\n".join(part.strip() for part in parts if part.strip()) + "\n")


def where(journal: Journal) -> str:
    """Machine and versions of all sessions whose figures are shown."""
    shown = [attempt for row in (*ROWS, PANEL) for attempt in journal.newest(row.name)]
    lines = dict.fromkeys(
        f"{facts['date']}: {facts['machine']}. {facts['ours']}. {facts['peer']}."
        for facts in journal.sessions_of(shown)
    )
    return "## Where and what\n\n" + "\n".join(f"- {line}" for line in lines)


def comparison(journal: Journal) -> str:
    """The table: each figure of each row, both servers, their ratio, and the budget."""
    lines = [
        "## Figures\n",
        "Medians, in brackets the range. ↑: more is better, ↓: less is better. The ratio is ours divided by the "
        "peer's. A budget with × is a multiple of the peer's figure, without it a value.\n",
        f"| What | Figure | {Peer.label} | {Appliance.label} | Ratio | Budget | |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for row in ROWS:
        first = f"{row.name}<br>`{row.text}`"
        for figure in row.figures:
            line = _line(journal, row, figure)
            if line:
                lines.append(f"| {first} | {line} |")
                first = ""
    return "\n".join(lines)


def _line(journal: Journal, row: Row, figure: Figure) -> str:
    attempts = journal.newest(row.name)
    theirs, ours = (cell(attempts, label, figure.path) for label in (Peer.label, Appliance.label))
    if not (theirs.values or ours.values):
        return ""
    budget, verdict = budget_of(row.name, figure.path), judged(attempts, row, figure)
    limit = budget.limit_text(more_is_better=figure.more_is_better) if budget else ""
    arrow = "↑" if figure.more_is_better else "↓"
    shown = _emphasised(verdict) if budget else ""
    return f"{figure.unit} {arrow} | {theirs} | {ours} | {_ratio(theirs, ours)} | {limit} | {shown}"


def _emphasised(verdict: Verdict | None) -> str:
    return "" if verdict is None else str(verdict) if verdict.held else f"**{verdict}**"


def _ratio(theirs: Cell, ours: Cell) -> str:
    if not theirs.median or ours.median is None:
        return "-"
    ratio = ours.median / theirs.median
    return f"{ratio:.2f}×" if ratio >= 0.1 else f"{ratio:.3f}×"


def judged(attempts: list[Attempt], row: Row, figure: Figure) -> Verdict | None:
    """Whether a figure holds its budget; None without a budget or without figures."""
    budget = budget_of(row.name, figure.path)
    theirs, ours = (cell(attempts, label, figure.path).median for label in (Peer.label, Appliance.label))
    if budget is None or ours is None:
        return None
    return judge(budget, ours, theirs, more_is_better=figure.more_is_better)


def verdicts(journal: Journal) -> list[tuple[Row, Figure, Verdict]]:
    """All budgets that can be judged."""
    found = []
    for row in ROWS:
        attempts = journal.newest(row.name)
        found += [(row, figure, verdict) for figure in row.figures if (verdict := judged(attempts, row, figure))]
    return found


def misses(journal: Journal, known: dict[str, str]) -> str:
    """The budgets at a glance, and for each that is missed what bounds it."""
    found = verdicts(journal)
    if not found:
        return ""
    missed = [(row, figure, verdict) for row, figure, verdict in found if not verdict.held]
    aims = sum(verdict.reached_aim for _, _, verdict in found)
    lines = [
        "## Budgets\n",
        f"{len(found) - len(missed)} of {len(found)} are held, {aims} of them with the aim reached.",
    ]
    for row, figure, verdict in missed:
        limit = verdict.budget.limit_text(more_is_better=figure.more_is_better)
        reason = known.get(f"{row.name}: {figure.unit}") or known.get(row.name) or NOT_EXAMINED
        lines.append(
            f"\n**{row.name}, {figure.unit}**: {_measured(verdict.budget, verdict.value)}, must be {limit}. {reason}"
        )
    return "\n".join(lines)


def _measured(budget: Budget, value: float) -> str:
    return number(value) if budget.absolute else f"{value:.2f}×"


def bounds(text: str) -> dict[str, str]:
    """Sections of benchmarks-bounds.md: "## name" and what follows it."""
    found = {}
    for section in f"\n{text}".split("\n## ")[1:]:
        name, _, reason = section.partition("\n")
        found[name.strip()] = reason.strip()
    return found


def panel_section(journal: Journal) -> str:
    """Pages over large tables, with the verdicts."""
    results = [attempt.result for attempt in counted(journal.newest(PANEL.name), Appliance.label) if attempt.result]
    if not results:
        return ""
    pages: dict[str, dict[str, float]] = results[-1]["pages"]
    slow = panel.missed(pages)
    return (
        f"## {PANEL.name}\n\n10⁵ accounts with 10 aliases each, 10⁶ events in the trace, 10⁵ recipients in the queue "
        f"(`panel_seed.py`); the median of five requests. {len(slow)} of {len(pages)} miss the budget of 300 ms.\n\n"
        f"{panel.table(pages)}"
    )


def usage(journal: Journal) -> str:
    """What each row used of the machine: the first hint at what bounds it."""
    lines = [
        "## What the rows used\n",
        "Shares of the whole machine during a row, medians: both cores busy is 100 %. The load generator is a part of "
        "it. Flushes are those of the disk's cache, for each message or command that was counted.\n",
        "| What | Server | busy | generator | other programs | disk flushes each |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in ROWS:
        for label in (Peer.label, Appliance.label):
            attempts = counted(journal.newest(row.name), label)
            shares = [found for attempt in attempts if (found := _shares(attempt.result or {}))]
            if shares:
                middle = [sorted(column)[len(column) // 2] for column in zip(*shares, strict=True)]
                flushes = number(middle[3]) if middle[3] >= 0 else "-"
                cells = " | ".join([*(f"{share:.0%}" for share in middle[:3]), flushes])
                lines.append(f"| {row.name} | {label} | {cells} |")
    return "\n".join(lines) if len(lines) > 4 else ""


def _shares(result: dict[str, Any]) -> tuple[float, float, float, float] | None:
    """Busy, generator, others, and flushes per message; -1 where nothing was counted."""
    system = result.get("system")
    if not system or "server" not in result:
        return None
    cores = _cores(system)
    room = system["wall_s"] * cores or 1.0
    count = next((found for path in ("delivered", "relayed", "accepted") if (found := dig(result, path))), None)
    flushes = system["disk_flushes"] / count if count else -1.0
    return system["cpu_busy"], result["generator_cpu_s"] / room, max(0.0, system["other_cpu_s"] / room), flushes


def _cores(system: dict[str, float]) -> float:
    """load.py gives the share of the machine and the seconds that were used: what is missing is the machine."""
    used = system["user_s"] + system["sys_s"]
    return max(1.0, round(used / (system["cpu_busy"] * system["wall_s"]))) if system["cpu_busy"] else 1.0


def notes(journal: Journal) -> str:
    """What the table does not say: disturbed and failed runs, errors, figures that were measured again."""
    lines = []
    for row in (*ROWS, PANEL):
        attempts = journal.newest(row.name)
        for label in (Peer.label, Appliance.label):
            if found := _remarks([attempt for attempt in attempts if attempt.label == label], attempts, label):
                lines.append(f"- {row.name}, {label}: {'; '.join(found)}.")
    lines += [f"- {row}: measured again, {n} earlier results do not count." for row, n in journal.superseded().items()]
    return "## Runs\n\n" + "\n".join(lines) if lines else ""


def _remarks(own: list[Attempt], attempts: list[Attempt], label: str) -> list[str]:
    used = counted(attempts, label)
    left_out = sum(bool(attempt.result) for attempt in own) - len(used)
    errors = sum((attempt.result or {}).get("errors") or 0 for attempt in used)
    late = sum(_not_arrived(attempt.result or {}) for attempt in used)
    failed = [attempt.error for attempt in own if attempt.error]
    remarks = {
        "only disturbed runs": bool(used) and all(attempt.noisy for attempt in used),
        f"{left_out} disturbed runs left out": left_out > 0,
        f"{errors} errors": errors > 0,
        f"{late} messages did not arrive in time": late > 0,
        f"{len(failed)} attempts without a result (last: {failed[-1] if failed else ''})": bool(failed),
    }
    return [text for text, applies in remarks.items() if applies]


def _not_arrived(result: dict[str, Any]) -> int:
    if not result.get("expected"):
        return 0
    return int(result["expected"] - (result.get("delivered") or result.get("relayed") or 0))


def _text(name: str) -> str:
    path = HERE / f"benchmarks-{name}.md"
    return path.read_text() if path.exists() else ""
