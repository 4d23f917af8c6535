"""Cost against the length of the queue: mail that was deferred and is not due yet, while new mail is relayed past it.

One message is really deferred, by a host that does not answer; the others are rows like it, for a hundred destinations,
due tomorrow. They have no spool files: what is not due is not opened.
"""

from __future__ import annotations

import asyncio
import time

import psycopg

from tests.bench.curves.clients import Browser, send
from tests.bench.curves.curve import Curve, Measure, milliseconds
from tests.bench.curves.rows import multiply
from tests.bench.servers import Appliance, ServerError, free_ports
from tests.bench.tool import run_load

DOMAIN = "away.test"
ONE = "(SELECT id FROM queue_message WHERE queue_id = %(first)s)"
LATER = """
UPDATE queue_recipient SET next_attempt_at = now() + interval '1 day', state = 'waiting', lease = NULL,
                           lease_until = NULL
"""
LIST = "/admin/mailqueue/queuerecipient/"


class Queue:
    """More and more mail that waits."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance, self._api, self._count = appliance, appliance.api(), 0
        [closed] = free_ports(1)
        self._api("PUT", f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "relay"})
        self._api("POST", "transport-rules/", {"match": DOMAIN, "relayhost": f"[127.0.0.1]:{closed}"})
        self._browser = Browser(appliance, self._administrator(), appliance.admin_password)

    def grow(self, size: int) -> None:
        with psycopg.connect(self._appliance.database_url, autocommit=True) as conn:
            if not self._count:
                self._first = self._defer_one(conn)
                self._count = 1
            new, first = range(self._count, size), {"first": self._first}
            message = {"queue_id": "'W' || lpad(n::text, 11, '0')"}
            multiply(conn, "queue_message", "queue_id = %(first)s", new, message, **first)
            recipient = {
                "message_id": "(SELECT id FROM queue_message WHERE queue_id = 'W' || lpad(n::text, 11, '0'))",
                "address": "'r' || n || '@d' || n %% 100 || '.away.test'",
                "destination": "'d' || n %% 100 || '.away.test'",
            }
            multiply(conn, "queue_recipient", f"one.message_id = {ONE}", new, recipient, **first)
            conn.execute("ANALYZE queue_message")
            conn.execute("ANALYZE queue_recipient")
        self._count = size
        run_load("relay -s 20 -m 100 -k 100", self._appliance.options())

    def measure(self) -> dict[str, float]:
        found = run_load("relay -s 20 -m 1500 -k 100", self._appliance.options())
        if found["relayed"] < found["expected"]:
            raise ServerError(f"{found['expected'] - found['relayed']} messages were not relayed")
        return {
            "relayed": found["relayed_per_s"],
            "relay CPU": found["server"]["cpu_ms_per_msg"],
            "relay p99": found["transaction"]["p99_ms"],
            "queue page": milliseconds(self._browser.time(LIST)),
            "API list": milliseconds([self._timed(lambda: self._api("GET", "queue/?limit=50")) for _ in range(9)]),
            "mailq": milliseconds([self._timed(lambda: self._appliance.manage("mailq"))]),
        }

    def _administrator(self) -> str:
        found = self._api("GET", "accounts/?is_staff=true")
        return str(found["results"][0]["address"])

    def _defer_one(self, conn: psycopg.Connection[tuple[object, ...]]) -> str:
        """Send a message to a host that is away and wait until it is deferred. Returns its queue id."""
        asyncio.run(send(self._appliance, [[f"r0@{DOMAIN}"]], 1))
        deadline = time.monotonic() + 30
        query = "SELECT queue_id FROM queue_message m JOIN queue_recipient r ON r.message_id = m.id WHERE attempts > 0"
        while time.monotonic() < deadline:
            if row := conn.execute(query).fetchone():
                conn.execute(LATER)
                return str(row[0])
            time.sleep(0.1)
        raise ServerError("no message was deferred")

    @staticmethod
    def _timed(ask: object) -> float:
        begun = time.perf_counter()
        ask()  # type: ignore[operator]
        return time.perf_counter() - begun


CURVE = Curve(
    name="queue",
    title="Deferred mail in the queue",
    axis="recipients who wait",
    sizes=(100, 1_000, 10_000, 100_000),
    small=(100, 1_000),
    measures=(
        Measure("relayed", "messages/s"),
        Measure("relay CPU", "ms"),
        Measure("relay p99", "ms, transaction"),
        Measure("queue page", "ms"),
        Measure("API list", "ms"),
        Measure("mailq", "ms", flat=False, grows="it prints every one of them"),
    ),
    subject=Queue,
    about="New mail is relayed to a sink while the others wait for tomorrow.",
)
