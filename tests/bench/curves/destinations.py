"""Cost against the number of domains that relayed mail goes to: each has a relay host of its own, a sink on its port.

First every message goes to one domain, in turn; then every message has a recipient in each of them.
"""

from __future__ import annotations

import asyncio
import time

from tests.bench.curves.clients import send
from tests.bench.curves.curve import Curve, Measure
from tests.bench.loads.meter import Meter
from tests.bench.loads.relay import OwnSink
from tests.bench.servers import Appliance, ServerError, free_ports, load_arguments

RELAYED = 1600
PATIENCE_S = 60.0


class Sinks:
    """Sinks on several ports, each a process, as long as the block runs."""

    def __init__(self, appliance: Appliance, ports: list[int]) -> None:
        self._sinks = []
        try:
            for port in ports:
                self._sinks.append(OwnSink(load_arguments(appliance.options(), host="127.0.0.1", sink_port=port)))
        except SystemExit as error:  # how a tool for the command line says that it cannot
            self.close()
            raise ServerError(str(error)) from error

    def __enter__(self) -> Sinks:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        for sink in self._sinks:
            sink.close()

    def count(self) -> int:
        return sum(int(sink.count()) for sink in self._sinks)


class Destinations:
    """Domains that are relayed to."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance, self._api, self._ports = appliance, appliance.api(), free_ports(max(CURVE.sizes))
        for number, port in enumerate(self._ports):
            domain = self._domain(number)
            self._api("PUT", f"domains/{domain}/", {"name": domain, "kind": "relay"})
            self._api("POST", "transport-rules/", {"match": domain, "relayhost": f"[127.0.0.1]:{port}"})
        self._size = 0

    def grow(self, size: int) -> None:
        self._size = size
        self._relay([[f"warm@{self._domain(number)}"] for number in range(size)], 100)

    def measure(self) -> dict[str, float]:
        everyone = [f"r{{}}@{self._domain(number)}" for number in range(self._size)]
        spread = [[everyone[number % self._size].format(number)] for number in range(RELAYED)]
        together = [[one.format(number) for one in everyone] for number in range(RELAYED // self._size)]
        one_each, all_each = self._relay(spread, len(spread)), self._relay(together, len(together))
        return {
            "relayed": one_each["per_s"],
            "relay CPU": one_each["cpu_ms"],
            "to all": all_each["per_s"],
            "to all CPU": all_each["cpu_ms"],
        }

    def _relay(self, envelopes: list[list[str]], messages: int) -> dict[str, float]:
        """Send, and wait until the sinks have all of it. Raises ServerError if they never do."""
        wanted = sum(len(envelopes[number % len(envelopes)]) for number in range(messages))
        with Sinks(self._appliance, self._ports[: self._size]) as sinks:
            meter, begun = Meter(self._appliance.pids()).start(), time.perf_counter()
            asyncio.run(send(self._appliance, envelopes, messages))
            while sinks.count() < wanted:
                if time.perf_counter() - begun > PATIENCE_S:
                    raise ServerError(f"{wanted - sinks.count()} of {wanted} messages did not reach the sinks")
                time.sleep(0.01)
            took = time.perf_counter() - begun
            used = meter.stop(wanted)["server"]
        return {"per_s": wanted / took, "cpu_ms": used["cpu_ms_per_msg"]}

    @staticmethod
    def _domain(number: int) -> str:
        return f"relay{number}.test"


CURVE = Curve(
    name="destinations",
    title="Destination domains",
    axis="domains",
    sizes=(1, 2, 4, 8),
    small=(1, 4),
    measures=(
        Measure("relayed", "messages/s"),
        Measure("relay CPU", "ms"),
        Measure("to all", "deliveries/s"),
        Measure("to all CPU", "ms"),
    ),
    subject=Destinations,
    about=f"{RELAYED} recipients: a message for each, then messages with a recipient in every domain.",
)
