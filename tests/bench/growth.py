"""Measure how the cost of the same work grows with what there is: accounts, messages, queue, connections.

    make bench-growth [SIZES=small] [ONLY=curve,curve] [AGAIN=1]
    python -m tests.bench.growth [--sizes full|small|100,1000] [--only CURVES] [--again] [--results FILE]

Each curve has a fresh appliance on a real disk, which grows from size to size (curves/). Points are kept as they come,
so an interrupted run goes on where it was; a size that fails is noted and the next curve begins. At the end the plots
are drawn, and docs/benchmarks.md is written anew if there are results of `make bench` for the rest of it.
"""

from __future__ import annotations

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

import psycopg

from tests.bench import compare, machine, page, plots, suite
from tests.bench.curves.curve import Curve
from tests.bench.growth_page import CURVES
from tests.bench.points import Points
from tests.bench.servers import Appliance, ServerError, bench_folder
from tests.bench.tool import NoResult, say, stop_on_sigterm

RESULTS = compare.RESULTS.with_name("growth.jsonl")
FAILURES = (ServerError, NoResult, OSError, RuntimeError, psycopg.Error)


def sizes_of(curve: Curve, wanted: str) -> tuple[int, ...]:
    """full, small, or the sizes that are named, as far as the curve goes."""
    if wanted in {"full", ""}:
        return curve.sizes
    if wanted == "small":
        return curve.small
    return tuple(size for size in map(int, wanted.split(",")) if curve.sizes[0] <= size <= curve.sizes[-1])


def measure_curve(points: Points, curve: Curve, sizes: tuple[int, ...], folder: Path, rounds: int | None) -> None:
    """All sizes, on one appliance, or on one for each. The first failure ends the curve: what follows stands on it."""
    groups = [(size,) for size in sizes] if curve.fresh_each else [sizes] if sizes else []
    for group in groups:
        size = group[0]
        with ExitStack() as stack:
            appliance = Appliance(folder / f"{curve.name}{size}", users=curve.users)
            stack.callback(appliance.stop)
            facts = machine.facts(folder)
            try:
                say(f"{curve.title}: starting an appliance")
                appliance.start()
                subject = curve.subject(appliance)
                for size in group:
                    say(f"{curve.title}: {size:,} {curve.axis}")
                    subject.grow(size)
                    points.add(curve.name, size, facts, rounds=_rounds(subject, rounds or curve.rounds))
            except FAILURES as error:
                text = f"{type(error).__name__}: {error}"
                say(f"{curve.title}: failed at {size:,}: {text}\n{appliance.log_end()}")
                points.add(curve.name, size, facts, error=text[:500])


def _rounds(subject: object, count: int) -> list[dict[str, float]]:
    found = []
    for _ in range(count):
        suite.quiet()
        found.append(subject.measure())  # type: ignore[attr-defined]
        say("    " + ", ".join(f"{name} {value:,.4g}" for name, value in found[-1].items()))
    return found


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", default="full", help="full, small, or sizes separated by commas")
    parser.add_argument("--only", default="", help="curves by name, separated by commas")
    parser.add_argument("--again", action="store_true", help="measure sizes anew that were measured before")
    parser.add_argument("--rounds", type=int, help="of each size (default: 3, idle connections once)")
    parser.add_argument("--results", type=Path, default=RESULTS, help="default: %(default)s")
    parser.add_argument("--parent", type=Path, default=Path("/var/tmp"), help="where the appliance keeps its data")
    return parser.parse_args()


def main() -> None:
    args = parse()
    stop_on_sigterm()
    wanted = {name.strip() for name in args.only.split(",") if name.strip()}
    if unknown := wanted - {curve.name for curve in CURVES}:
        sys.exit(f"no curve {', '.join(sorted(unknown))}; there are {', '.join(curve.name for curve in CURVES)}")
    points = Points(args.results)
    with bench_folder(args.parent) as folder:
        for curve in CURVES:
            if not wanted or curve.name in wanted:
                done = () if args.again else tuple(s for s in curve.sizes if points.is_done(curve.name, s))
                missing = tuple(size for size in sizes_of(curve, args.sizes) if size not in done)
                measure_curve(points, curve, missing, folder, args.rounds)
    finish(args.results)


def finish(results: Path) -> None:
    """Plots, and the page they stand on."""
    for path in plots.draw_all(results):
        say(f"{path} is drawn")
    comparison = results.with_name(compare.RESULTS.name)
    if comparison.exists():
        page.write(comparison)
        say("docs/benchmarks.md is written")
    else:
        say(f"docs/benchmarks.md is left as it is: no results of make bench in {comparison}")


if __name__ == "__main__":
    main()
