"""kill -9 at random: one process of an appliance after the other, until told to stop.

Which one is drawn from a shuffled bag of all kinds, so that even a short run reaches each. Besides the children of the
supervisor these are the processes that those have started themselves: Celery's pool, gunicorn's workers, the process
that commits for smtpd, and single backends of PostgreSQL (which PostgreSQL answers with a crash recovery of the whole
server).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
from collections import Counter
from pathlib import Path
from typing import Any

ROLES = ("smtpd", "accessd", "web", "scheduler", "worker", "postgres", "valkey")
PARENTS = ("worker", "web", "postgres", "smtpd")


class Killer(threading.Thread):
    """`stop()` returns when the last kill is done; `kills` counts them by kind."""

    def __init__(self, appliance: Any, rng: random.Random, *, pause_s: tuple[float, float]) -> None:
        super().__init__(daemon=True)
        self.kills: Counter[str] = Counter()
        self._appliance = appliance
        self._rng = rng
        self._pause_s = pause_s
        self._bag: list[str] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.wait(self._rng.uniform(*self._pause_s)):
            kind = self._draw()
            victim = self._find(kind)
            if victim is None:
                self._put_back(kind)
                continue
            with contextlib.suppress(ProcessLookupError):
                os.kill(victim, signal.SIGKILL)
                self.kills[kind] += 1

    def stop(self) -> None:
        self._over.set()
        self.join(10)

    def _draw(self) -> str:
        if not self._bag:
            self._bag = [*ROLES, *(f"child of {role}" for role in PARENTS)]
            self._rng.shuffle(self._bag)
        return self._bag.pop()

    def _put_back(self, kind: str) -> None:
        """It is not up again yet: its turn comes after the others, or with the next bag."""
        if self._bag:
            self._bag.insert(0, kind)

    def _find(self, kind: str) -> int | None:
        state = json.loads((self._appliance.home / "run" / "appliance.json").read_text())
        role = kind.rpartition(" ")[2]
        found = [child["pid"] for child in state["processes"] if child["role"] == role and child["pid"]]
        pids = [pid for pid in found if _parent(pid) == state["pid"]]
        if pids and kind.startswith("child"):
            pids = _children(self._rng.choice(pids))
        return self._rng.choice(pids) if pids else None


def _parent(pid: int) -> int:
    """A number that was given to somebody else meanwhile is not ours to kill."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
