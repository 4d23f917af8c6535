"""Cost against the number of accounts, each with ten aliases.

One hundred accounts, spread evenly over all there are, get the mail and log in: what a first message or a first login
costs an account is not what this curve asks. Every second message goes to one of the account's aliases. The recipients
of `RCPT` were never asked about since the last change of the configuration, so that no cache answers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import psycopg

from tests.bench.curves.clients import SmtpSession, deliver, logins, rcpt_only, send
from tests.bench.curves.curve import Curve, Measure, milliseconds
from tests.bench.curves.rows import multiply
from tests.bench.loads.meter import Meter
from tests.bench.servers import PASSWORD, Appliance

DOMAIN = "many.test"
ALIASES = 10
WORKING, LOGGING_IN = 100, 20
SET_LIMIT = "UPDATE server_settings SET message_size_limit = %s WHERE id = 1"


class Accounts:
    """More and more accounts in one domain."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance, self._api, self._count = appliance, appliance.api(), 0
        self._api("PUT", f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "local"})
        body = {"address": f"a0@{DOMAIN}", "password": PASSWORD, "skip_password_validation": True}
        self._api("PUT", f"accounts/a0@{DOMAIN}/", body)
        self._api("PUT", f"aliases/a0.0@{DOMAIN}/", {"address": f"a0.0@{DOMAIN}", "targets": [f"a0@{DOMAIN}"]})
        self._limit = 50 << 20
        self._unasked = 0

    def grow(self, size: int) -> None:
        with psycopg.connect(self._appliance.database_url, autocommit=True) as conn:
            address = "'a' || n || '@many.test'"
            new = range(max(1, self._count), size)
            multiply(conn, "account", "address = 'a0@many.test'", new, {"address": address})
            alias = {
                "address": "'a' || n / 10 || '.' || n %% 10 || '@many.test'",
                "targets": "ARRAY['a' || n / 10 || '@many.test']",
            }
            numbers = range(max(1, ALIASES * self._count), ALIASES * size)
            multiply(conn, "alias", "address = 'a0.0@many.test'", numbers, alias)
            conn.execute("ANALYZE account")
            conn.execute("ANALYZE alias")
        self._count = size
        asyncio.run(send(self._appliance, self._envelopes(), WORKING))

    def measure(self) -> dict[str, float]:
        changes = [asyncio.run(self._change()) for _ in range(5)]
        meter = Meter(self._appliance.pids()).start()
        unasked = self._never_asked(1000)
        rcpt_per_s = asyncio.run(rcpt_only(self._appliance, unasked))
        rcpt = meter.stop(len(unasked))["server"]
        people = [self._address(number) for number in self._working()[:LOGGING_IN]]
        asyncio.run(logins(self._appliance, people, 2 * len(people)))
        delivered = deliver(self._appliance, self._envelopes(), 1500)
        return {
            "delivered": delivered["per_s"],
            "delivery CPU": delivered["cpu_ms"],
            "RCPT": rcpt_per_s,
            "RCPT CPU": rcpt["cpu_ms_per_msg"],
            "logins": asyncio.run(logins(self._appliance, people, 400)),
            "change": milliseconds(changes),
            "API list": milliseconds(self._timed(lambda: self._api("GET", "accounts/?limit=50"))),
            "API search": milliseconds(self._timed(lambda: self._api("GET", "accounts/?search=a7@many"))),
        }

    def _working(self) -> list[int]:
        return [number * self._count // WORKING for number in range(WORKING)]

    def _address(self, number: int, alias: int | None = None) -> str:
        return f"a{number}@{DOMAIN}" if alias is None else f"a{number}.{alias}@{DOMAIN}"

    def _envelopes(self) -> list[list[str]]:
        found = enumerate(self._working())
        return [[self._address(number, place % ALIASES if place % 2 else None)] for place, number in found]

    def _never_asked(self, count: int) -> list[str]:
        """Aliases from all over, other ones each time as long as there are any."""
        found = []
        for _ in range(count):
            self._unasked += 7919  # a prime: it comes around to everybody
            place = self._unasked % (ALIASES * self._count)
            found.append(self._address(place // ALIASES, place % ALIASES))
        return found

    async def _change(self) -> float:
        """From the commit of another limit until EHLO announces it."""
        self._limit += 1024
        async with SmtpSession(self._appliance.ports["SMTP_PORT"]) as session:
            begun = time.perf_counter()
            with psycopg.connect(self._appliance.database_url, autocommit=True) as conn:
                conn.execute(SET_LIMIT, [self._limit])
            while not await self._is_in_force(session):
                pass
            return time.perf_counter() - begun

    async def _is_in_force(self, session: SmtpSession) -> bool:
        await asyncio.sleep(0.001)
        return f"SIZE {self._limit}" in await session.say("EHLO bench.invalid")

    def _timed(self, ask: Callable[[], object], times: int = 9) -> list[float]:
        found = []
        for _ in range(times):
            begun = time.perf_counter()
            ask()
            found.append(time.perf_counter() - begun)
        return found


CURVE = Curve(
    name="accounts",
    title="Accounts, with ten aliases each",
    axis="accounts",
    sizes=(100, 1_000, 10_000, 100_000),
    small=(100, 1_000),
    measures=(
        Measure("delivered", "messages/s"),
        Measure("delivery CPU", "ms"),
        Measure("RCPT", "addresses/s"),
        Measure("RCPT CPU", "ms"),
        Measure("logins", "logins/s"),
        Measure("change", "ms until in force"),
        Measure("API list", "ms"),
        Measure("API search", "ms", flat=False, grows="a search for words looks at every account"),
    ),
    subject=Accounts,
    about="Mail to and logins of 100 accounts spread over all; RCPT for aliases that no cache knows.",
)
