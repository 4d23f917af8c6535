"""Cost against the number of messages in one mailbox.

The messages are put into the Maildir as another program would put them there and are adopted by `rebuild_index`; what
is measured is delivered, appended and read through the ports. The measured mail stays, so a mailbox of 1,000 ends with
some hundreds more; the next size is reached exactly.
"""

from __future__ import annotations

import asyncio
import re
import time
from pathlib import Path

from tests.bench.curves.clients import Browser, deliver, login
from tests.bench.curves.curve import Curve, Measure, milliseconds
from tests.bench.loads.imap_client import imap_close, mailbox_count
from tests.bench.loads.messages import NEEDLE, Maker
from tests.bench.servers import DOMAIN, PASSWORD, Appliance

OWNER = f"user1@{DOMAIN}"
DELIVERED, APPENDED = 400, 100
FIRST_DATE = 1_700_000_000


class Mailbox:
    """An INBOX that grows."""

    def __init__(self, appliance: Appliance) -> None:
        self._appliance, self._written = appliance, 0
        self._maker = Maker(2048)
        self._browser = Browser(appliance, OWNER, PASSWORD)
        self._page = self._browser.target("/mail/")

    def grow(self, size: int) -> None:
        missing = size - asyncio.run(self._count())
        folder = self._appliance.home / "mail" / DOMAIN / OWNER.split("@")[0] / "Maildir" / "cur"
        for number in range(self._written, self._written + missing):
            self._write(folder, number)
        self._written += max(0, missing)
        self._appliance.manage("rebuild_index", OWNER, "INBOX")
        deliver(self._appliance, [[OWNER]], 20)
        asyncio.run(self._read())

    def measure(self) -> dict[str, float]:
        found = asyncio.run(self._read())
        appended = asyncio.run(self._append())
        delivered = deliver(self._appliance, [[OWNER]], DELIVERED)
        return {
            "delivered": delivered["per_s"],
            "delivery CPU": delivered["cpu_ms"],
            "APPEND": appended,
            "last flags": found["last flags"],
            "webmail": milliseconds(self._browser.time(self._page)),
            "SELECT": found["SELECT"],
            "SEARCH": found["SEARCH"],
        }

    def _write(self, folder: Path, number: int) -> None:
        """In the form of disk: LF, in cur/, already seen."""
        path = folder / f"{FIRST_DATE + number}.N{number}.elsewhere:2,S"
        path.write_bytes(self._maker.mixed(number, OWNER).replace(b"\r\n", b"\n"))

    async def _count(self) -> int:
        client = await login(self._appliance, OWNER)
        count = await mailbox_count(client)
        await imap_close(client)
        return int(count)

    async def _append(self) -> float:
        """Messages a second on one connection that has nothing selected."""
        client = await login(self._appliance, OWNER)
        begun = time.perf_counter()
        for number in range(APPENDED):
            await client.append("INBOX", self._maker.mixed(number, OWNER), sync=False)
        took = time.perf_counter() - begun
        await imap_close(client)
        return APPENDED / took

    async def _read(self) -> dict[str, float]:
        """Milliseconds of what a client asks when it comes back to the mailbox."""
        client = await login(self._appliance, OWNER)
        answer, _ = await client.timed(b"SELECT INBOX")
        exists = int(re.search(rb"(\d+) EXISTS", answer)[1])  # type: ignore[index]
        asked = {
            "SELECT": b"SELECT INBOX",
            "last flags": b"FETCH %d:* (UID FLAGS)" % max(1, exists - 99),
            "SEARCH": b"UID SEARCH HEADER SUBJECT " + NEEDLE.encode(),
        }
        found = {}
        for name, command in asked.items():
            waits = [(await client.timed(command))[1] for _ in range(4)][1:]
            found[name] = milliseconds(waits)
        await imap_close(client)
        return found


CURVE = Curve(
    name="mailbox",
    title="Messages in one mailbox",
    axis="messages",
    sizes=(1_000, 10_000, 100_000, 200_000),
    small=(1_000, 5_000),
    measures=(
        Measure("delivered", "messages/s"),
        Measure("delivery CPU", "ms"),
        Measure("APPEND", "messages/s"),
        Measure("last flags", "ms for 100 messages"),
        Measure("webmail", "ms, first page"),
        Measure("SELECT", "ms", flat=False, grows="the session learns the UID of every message"),
        Measure("SEARCH", "ms", flat=False, grows="SEARCH by subject compares every subject"),
    ),
    subject=Mailbox,
    about="All mail goes to one mailbox.",
)
