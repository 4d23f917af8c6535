"""e2e: what smtp does, until every message is visible in its mailbox."""

from __future__ import annotations

import asyncio
import sys
import time
from argparse import ArgumentParser, Namespace

from tests.bench.loads.imap_client import imap_close, imap_open, mailbox_count
from tests.bench.loads.meter import Meter
from tests.bench.loads.options import sending_options
from tests.bench.loads.plan import Plan
from tests.bench.loads.pop3_client import pop_open
from tests.bench.loads.running import report
from tests.bench.loads.smtp import smtp_result, smtp_words
from tests.bench.loads.smtp_client import send_all


def options() -> ArgumentParser:
    """And by which protocol they are looked for."""
    parser = sending_options()
    parser.add_argument("--count-by", choices=["imap", "pop3"], default="imap")
    return parser


class ImapCounts:
    """Message counts of all users' INBOXes, over connections kept open."""

    async def open(self, args: Namespace) -> None:
        self.clients = [await imap_open(args, i) for i in range(args.users)]

    async def one(self, number: int) -> int:
        return await mailbox_count(self.clients[number])

    async def close(self) -> None:
        for client in self.clients:
            await imap_close(client)


class PopCounts:
    """The same from POP3 STAT, which needs a login for every look."""

    async def open(self, args: Namespace) -> None:
        self.args = args

    async def one(self, number: int) -> int:
        client = await pop_open(self.args, number)
        answer = await client.line(b"STAT")
        await client.line(b"QUIT")
        client.transport.close()
        return int(answer.split()[1])

    async def close(self) -> None:
        pass


class Arrivals:
    """How many messages each user has got since the load began, of those expected."""

    def __init__(self, args: Namespace, counts: ImapCounts | PopCounts) -> None:
        self._counts = counts
        self.expected = [0] * args.users
        for number in range(args.messages * args.recipients):
            self.expected[number % args.users] += 1
        self.have = [0] * args.users
        self.pending = {i for i in range(args.users) if self.expected[i]}

    async def start(self) -> None:
        self._before = [await self._counts.one(i) for i in range(len(self.have))]

    async def look(self) -> None:
        for i in sorted(self.pending):
            self.have[i] = await self._counts.one(i) - self._before[i]
            if self.have[i] >= self.expected[i]:
                self.pending.discard(i)


async def run(args: Namespace) -> None:
    """Looks as often as --poll says, for at most --timeout after the last was accepted."""
    if args.recipient:
        sys.exit("e2e: --recipient makes no sense here")
    plan = Plan(args)
    counts = PopCounts() if args.count_by == "pop3" else ImapCounts()
    await counts.open(args)
    arrivals = Arrivals(args, counts)
    await arrivals.start()
    meter = Meter(args.server_pid).start()
    await send_all(plan)
    at_accept = await _wait_for(arrivals, args)
    wall = time.perf_counter() - plan.first
    out = smtp_result(plan)
    have, expected = sum(arrivals.have), sum(arrivals.expected)
    out.update(
        delivered=have,
        expected=expected,
        e2e_s=round(wall, 3),
        delivered_at_last_accept=at_accept,
        delivered_per_s=round(have / wall, 1),
    )
    out.update(meter.stop(have))
    await counts.close()
    words = f"{have}/{expected} visible in {wall:.2f} s = {out['delivered_per_s']} msg/s; "
    report(args, out, words + smtp_words(out))


async def _wait_for(arrivals: Arrivals, args: Namespace) -> int | None:
    """Returns how many had arrived at the first look."""
    give_up = time.perf_counter() + args.timeout
    at_accept = None
    while arrivals.pending and time.perf_counter() < give_up:
        await arrivals.look()
        if at_accept is None:
            at_accept = sum(arrivals.have)
        if arrivals.pending:
            await asyncio.sleep(args.poll)
    return at_accept
