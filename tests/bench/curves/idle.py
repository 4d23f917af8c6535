"""Cost against the number of connections in IDLE: memory of each, how soon one hears of a delivery, CPU at rest.

Every size has an appliance of its own, because memory that was freed is not asked for again. Connections are spread
over 200 accounts, so that at 10,000 a delivery is told to fifty of them.
"""

from __future__ import annotations

import sys

from tests.bench.curves.curve import Curve, Measure
from tests.bench.servers import USERS, Appliance, ServerError
from tests.bench.tool import run


class Idle:
    """Connections that wait."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance, self._size = appliance, 0

    def grow(self, size: int) -> None:
        self._size = size

    def measure(self) -> dict[str, float]:
        users = min(USERS, self._size)
        words = [f"--connections={self._size}", f"--users={users}", "--messages=200", "--watch=10"]
        found = run([sys.executable, "-m", "tests.bench.many_idle", *words, *self._appliance.options()])
        if found["held"] < self._size or found["lost"]:
            raise ServerError(f"{found['held']} of {self._size} held, {found['lost']} deliveries not told")
        return {
            "memory": found["pss_kib_each"],
            "told p50": found["accept_to_exists"]["p50_ms"],
            "told p99": found["accept_to_exists"]["p99_ms"],
            "at rest": found["idle_cpu_s_per_min"],
        }


CURVE = Curve(
    name="idle",
    title="Connections in IDLE",
    axis="connections",
    sizes=(100, 1_000, 10_000),
    small=(100, 1_000),
    measures=(
        Measure("memory", "KiB PSS each"),
        Measure("told p50", "ms after 250", flat=False, grows="a delivery is told to more connections"),
        Measure("told p99", "ms after 250", flat=False, grows="a delivery is told to more connections"),
        Measure("at rest", "CPU s/min", flat=False, grows="the total, which may grow with what is held"),
    ),
    subject=Idle,
    about="Each size on an appliance of its own.",
    rounds=1,
    users=USERS,
    fresh_each=True,
)
