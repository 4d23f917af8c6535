"""Sending: sessions that take messages from a plan until nothing is left."""

from __future__ import annotations

import asyncio
import base64
import time
from typing import Any

from tests.bench.loads.plan import Plan
from tests.bench.loads.running import user


class SmtpClient(asyncio.Protocol):
    """One connection: greeting, EHLO, up to K transactions, QUIT."""

    def __init__(self, plan: Plan, credentials: tuple[str, str] | None = None) -> None:
        self.plan = plan
        self.credentials = credentials
        self.left = plan.args.per_connection
        self.done = asyncio.get_running_loop().create_future()
        self.state = "banner"
        self.buffer = b""
        self.started = time.perf_counter()
        self.job: Any = None
        self.pipelining = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        if self.state not in ("quit", "failed"):
            self.plan.errors[f"lost in {self.state}: {exc}"] += 1
        if not self.done.done():
            self.done.set_result(None)

    def data_received(self, data: bytes) -> None:
        data = self.buffer + data
        while True:
            end = data.find(b"\n")
            if end < 0:
                break
            line, data = data[: end + 1], data[end + 1 :]
            if line[3:4] == b"-":
                if line[4:14].upper() == b"PIPELINING":
                    self.pipelining = self.plan.args.pipeline
                continue
            self.reply(line)
        self.buffer = data

    def reply(self, line: bytes) -> None:
        """The last line of one."""
        if self.state == "failed":
            return
        if self.state == "quit":
            self.transport.close()
        elif line[:1] != (b"3" if self.state == "data" else b"2"):
            self.fail(line)
        else:
            self._NEXT[self.state](self)

    def fail(self, line: bytes) -> None:
        self.plan.errors[f"{self.state}: {line.decode('latin1').strip()}"[:120]] += 1
        self.state = "failed"
        self.transport.close()

    def _greeted(self) -> None:
        self.state = "ehlo"
        self.transport.write(b"EHLO bench.invalid\r\n")

    def _known(self) -> None:
        if not self.credentials:
            self._ready()
            return
        self.state = "auth"
        token = base64.b64encode(b"\0" + "\0".join(self.credentials).encode())
        self.transport.write(b"AUTH PLAIN " + token + b"\r\n")

    def _ready(self) -> None:
        self.plan.setup.append(time.perf_counter() - self.started)
        self._transaction()

    def _transaction(self) -> None:
        self.job = self.plan.take() if self.left > 0 else None
        if self.job is None:
            self.state = "quit"
            self.transport.write(b"QUIT\r\n")
            return
        self.began = time.perf_counter()
        self.state = "mail"
        if self.pipelining:
            self.transport.write(self.job[1] + b"".join(self.job[2]) + b"DATA\r\n")
        else:
            self.transport.write(self.job[1])

    def _sender_taken(self) -> None:
        self.state = "rcpt"
        self.waiting = len(self.job[2])
        if not self.pipelining:
            self.transport.write(self.job[2][0])

    def _recipient_taken(self) -> None:
        self.waiting -= 1
        if self.waiting == 0:
            self.state = "data"
            if not self.pipelining:
                self.transport.write(b"DATA\r\n")
        elif not self.pipelining:
            self.transport.write(self.job[2][len(self.job[2]) - self.waiting])

    def _data_wanted(self) -> None:
        self.state = "dot"
        self.transport.write(self.job[3])

    def _accepted(self) -> None:
        now = time.perf_counter()
        plan = self.plan
        plan.accepted += 1
        plan.last = now
        plan.latency.append(now - self.began)
        self.left -= 1
        self._transaction()

    _NEXT = {
        "banner": _greeted,
        "ehlo": _known,
        "auth": _ready,
        "mail": _sender_taken,
        "rcpt": _recipient_taken,
        "data": _data_wanted,
        "dot": _accepted,
    }


async def smtp_session(plan: Plan, number: int) -> None:
    """Connections one after the other, until nothing is left to send."""
    args = plan.args
    loop = asyncio.get_running_loop()
    credentials = (user(args, number), args.password) if args.auth else None
    while plan.next_number < args.messages:
        try:
            _, client = await loop.create_connection(lambda: SmtpClient(plan, credentials), args.host, args.smtp_port)
        except OSError as error:
            plan.errors[f"connect: {error}"] += 1
            if sum(plan.errors.values()) > args.messages:
                return
            await asyncio.sleep(0.05)
            continue
        await client.done
        if sum(plan.errors.values()) > args.messages + 100:
            return


async def send_all(plan: Plan) -> None:
    """As many sessions at once as the plan says."""
    plan.first = plan.last = time.perf_counter()
    await asyncio.gather(*(smtp_session(plan, i) for i in range(plan.args.sessions)))
