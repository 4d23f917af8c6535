"""The clients with which the curves look from outside: SMTP to chosen recipients, IMAP logins, a browser's session."""

from __future__ import annotations

import asyncio
import http.client
import re
import time
from argparse import Namespace
from collections.abc import Sequence
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

from tests.bench.loads.imap_client import ImapClient, imap_close, imap_open
from tests.bench.loads.meter import Meter
from tests.bench.loads.plan import Plan
from tests.bench.loads.smtp_client import send_all
from tests.bench.servers import PASSWORD, Appliance, ServerError, ask, load_arguments


class ListedPlan(Plan):  # type: ignore[misc]
    """What load.py sends, to envelopes from a list, each used in its turn."""

    def __init__(self, args: Namespace, envelopes: Sequence[Sequence[str]]) -> None:
        super().__init__(args)
        self._envelopes = envelopes

    def take(self) -> Any:
        number = self.next_number
        if number >= self.args.messages:
            return None
        self.next_number = number + 1
        to = self._envelopes[number % len(self._envelopes)]
        mail = f"MAIL FROM:<{self.args.sender}>\r\n".encode()
        rcpts = [f"RCPT TO:<{one}>\r\n".encode() for one in to]
        return number, mail, rcpts, self.maker.plain(number, self.args.sender, to[0]) + b".\r\n"


async def send(appliance: Appliance, envelopes: Sequence[Sequence[str]], messages: int, **wanted: Any) -> Plan:
    """Messages over 20 connections, 100 on each unless told otherwise. Raises ServerError if any is refused."""
    wanted = {"sessions": 20, "per_connection": 100, "messages": messages, **wanted}
    plan = ListedPlan(load_arguments(appliance.options(), **wanted), envelopes)
    await send_all(plan)
    if plan.errors:
        raise ServerError(f"not accepted: {dict(plan.errors.most_common(3))}")
    return plan


def deliver(appliance: Appliance, envelopes: Sequence[Sequence[str]], messages: int) -> dict[str, float]:
    """Mail for mailboxes, which is in them at the 250: messages a second, and CPU for each."""
    meter = Meter(appliance.pids()).start()
    plan = asyncio.run(send(appliance, envelopes, messages))
    used = meter.stop(plan.accepted)["server"]
    return {"per_s": plan.accepted / (plan.last - plan.first), "cpu_ms": used["cpu_ms_per_msg"]}


class SmtpSession:
    """One SMTP conversation, line by line."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> SmtpSession:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        await self._reply()
        await self.say("EHLO bench.invalid")
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def say(self, command: str) -> str:
        """The whole reply. Raises ServerError unless it is positive."""
        self._writer.write(f"{command}\r\n".encode())
        return await self._reply()

    async def _reply(self) -> str:
        lines = [await self._reader.readline()]
        while lines[-1][3:4] == b"-":
            lines.append(await self._reader.readline())
        if lines[-1][:1] not in (b"2", b"3"):
            raise ServerError(lines[-1].decode(errors="replace").strip() or "connection closed")
        return b"".join(lines).decode(errors="replace")


async def rcpt_only(appliance: Appliance, addresses: Sequence[str], sessions: int = 4) -> float:
    """Ask about addresses, 50 in a transaction, send nothing. Returns addresses a second."""
    left = list(addresses)

    async def ask() -> None:
        async with SmtpSession(appliance.ports["SMTP_PORT"]) as session:
            while left:
                await session.say("MAIL FROM:<sender@example.org>")
                for address in [left.pop() for _ in range(min(50, len(left)))]:
                    await session.say(f"RCPT TO:<{address}>")
                await session.say("RSET")

    begun = time.perf_counter()
    await asyncio.gather(*(ask() for _ in range(sessions)))
    return len(addresses) / (time.perf_counter() - begun)


async def login(appliance: Appliance, address: str) -> ImapClient:
    """One IMAP login on a new connection."""
    client = await imap_open(load_arguments(appliance.options()), 0, login=False)
    await client.submit(f'LOGIN "{address}" "{PASSWORD}"'.encode())
    return client


async def logins(appliance: Appliance, addresses: Sequence[str], count: int, connections: int = 4) -> float:
    """Logins a second, each on a connection of its own."""
    left = [addresses[number % len(addresses)] for number in range(count)]

    async def work() -> None:
        while left:
            await imap_close(await login(appliance, left.pop()))

    begun = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(connections)))
    return count / (time.perf_counter() - begun)


class Browser:
    """A signed-in person: panel and webmail share the session."""

    def __init__(self, appliance: Appliance, address: str, password: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", appliance.ports["WEB_PORT"], timeout=120)
        self._cookies: dict[str, str] = {}
        form = self.get("/mail/login/")
        token = re.search(rb'name="csrfmiddlewaretoken" value="([^"]+)"', form)
        if token is None:
            raise ServerError("no sign-in form at /mail/login/")
        fields = {"username": address, "password": password, "csrfmiddlewaretoken": token[1].decode()}
        status, _, _ = self._ask("POST", "/mail/login/", urlencode(fields))
        if status != 302:
            raise ServerError(f"{address} cannot sign in: {status}")

    def get(self, path: str) -> bytes:
        """A page. Raises ServerError unless it is there."""
        status, _, body = self._ask("GET", path)
        if status != 200:
            raise ServerError(f"{path}: {status}")
        return body

    def target(self, path: str) -> str:
        """Where a page sends to."""
        return self._ask("GET", path)[1]

    def time(self, path: str, times: int = 5) -> list[float]:
        """Seconds until the page is there, asked again and again."""
        found = []
        for _ in range(times):
            begun = time.perf_counter()
            self.get(path)
            found.append(time.perf_counter() - begun)
        return found

    def _ask(self, method: str, path: str, body: str | None = None) -> tuple[int, str, bytes]:
        cookies = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        headers = {"Cookie": cookies, "Content-Type": "application/x-www-form-urlencoded"}
        answer, content = ask(self._connection, method, path, body, headers)
        for line in answer.headers.get_all("Set-Cookie") or []:
            self._cookies |= {name: morsel.value for name, morsel in SimpleCookie(line).items()}
        return answer.status, answer.headers.get("Location", ""), content
