"""Cost against the number of recipients of a message, for the same number of deliveries."""

from __future__ import annotations

from tests.bench.curves.curve import Curve, Measure
from tests.bench.servers import Appliance, ServerError
from tests.bench.tool import run_load

DELIVERIES, USERS = 3000, 100


class Recipients:
    """One message for many mailboxes."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance, self._size = appliance, 1
        run_load(f"e2e -s 20 -m 200 -k 100 --users {USERS}", appliance.options())

    def grow(self, size: int) -> None:
        self._size = size

    def measure(self) -> dict[str, float]:
        words = f"e2e -s 20 -m {DELIVERIES // self._size} -r {self._size} -k 100 --users {USERS}"
        found = run_load(words, self._appliance.options())
        if found["delivered"] < found["expected"]:
            raise ServerError(f"{found['expected'] - found['delivered']} deliveries are missing")
        return {
            "deliveries": found["delivered_per_s"],
            "delivery CPU": found["server"]["cpu_ms_per_msg"],
            "accepted p50": found["transaction"]["p50_ms"],
        }


CURVE = Curve(
    name="recipients",
    title="Recipients of a message",
    axis="recipients",
    sizes=(1, 2, 5, 10, 20, 50),
    small=(1, 10),
    measures=(
        Measure("deliveries", "deliveries/s"),
        Measure("delivery CPU", "ms"),
        Measure("accepted p50", "ms, transaction", flat=False, grows="a transaction has a RCPT for each"),
    ),
    subject=Recipients,
    about=f"{DELIVERIES} deliveries each time.",
    users=USERS,
)
