"""python -m tests.fuzz: random inputs for so many seconds; says which seed fails and how. See `make fuzz`."""

from __future__ import annotations

import argparse
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable

from tests.fuzz import grammar, mime

TARGETS: dict[str, Callable[[int], None]] = {"grammar": grammar.check, "mime": mime.check}
HANG_S = 10


class Hangs(Exception):
    """One input took longer than HANG_S."""


def main() -> int:
    """0 if nothing was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="for each target")
    parser.add_argument("--only", choices=sorted(TARGETS), action="append", help="this target")
    parser.add_argument("--seed", type=int, help="one input again")
    chosen = parser.parse_args()
    signal.signal(signal.SIGALRM, _hangs)
    results = [fuzz(name, chosen.seconds, chosen.seed) for name in chosen.only or sorted(TARGETS)]
    return 0 if all(results) else 1


def fuzz(name: str, seconds: float, seed: int | None = None) -> bool:
    """Did all inputs of one target do no harm?"""
    seeds = random.Random(seed)
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        tried = seeds.randrange(2**48) if seed is None else seed
        if not _try(name, tried):
            return False
        count += 1
        if seed is not None:
            break
    print(f"{name}: {count} inputs, nothing found")
    return True


def _try(name: str, seed: int) -> bool:
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        TARGETS[name](seed)
    except Exception:
        traceback.print_exc()
        print(f"{name}: once more with: python -m tests.fuzz --only {name} --seed {seed}", file=sys.stderr)
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return True


def _hangs(*_: object) -> None:
    raise Hangs


if __name__ == "__main__":
    sys.exit(main())
