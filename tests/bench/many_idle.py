"""Thousands of connections in IDLE (RFC 2177), and how soon one of them hears of a delivery.

    python -m tests.bench.many_idle -c 10000 --users 200 -m 100 --smtp-port N --imap-port N --server-pid PID

Connections are spread evenly over the users. Messages are sent one at a time, each to one user; timed is from the 250
to EXISTS on a connection chosen by chance from those of the user (accept_to_exists), and to EXISTS on the last of them
(accept_to_all). Memory is the server's PSS above what it was before the first connection, CPU what it uses while
nothing happens. Prints one line of JSON, as load.py does. The peer is not asked: with a process for each connection
it would need ten thousand of them.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import sys
import time
from collections import Counter
from typing import Any

from tests.bench.loads.imap_client import ImapClient, imap_open, start_idle
from tests.bench.loads.meter import Meter, quantiles
from tests.bench.loads.options import sending_options
from tests.bench.loads.plan import Plan
from tests.bench.loads.running import loop_run, report
from tests.bench.loads.smtp_client import smtp_session


class Idlers:
    """Connections in IDLE, by user."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.failed: Counter[str] = Counter()
        self.clients: dict[int, list[ImapClient]] = {user: [] for user in range(args.users)}

    async def open(self) -> float:
        """Open all of them. Returns how long that took."""
        room, begun = asyncio.Semaphore(self.args.parallel), time.perf_counter()

        async def one(number: int) -> None:
            async with room:
                try:
                    client = await imap_open(self.args, number)
                    await start_idle(client, "INBOX")
                except (OSError, RuntimeError) as error:
                    self.failed[str(error)[:80]] += 1
                    return
            self.clients[number % self.args.users].append(client)

        await asyncio.gather(*map(one, range(self.args.connections)))
        return time.perf_counter() - begun

    def alive(self) -> list[ImapClient]:
        return [client for clients in self.clients.values() for client in clients if not client.closed]

    def listen(self, user: int) -> list[asyncio.Future[float]]:
        """A future for each connection of the user: when it hears EXISTS next."""
        loop = asyncio.get_running_loop()
        heard = []
        for client in self.clients[user]:
            future: asyncio.Future[float] = loop.create_future()

            def on_data(data: bytes, future: asyncio.Future[float] = future) -> None:
                if b"EXISTS" in data and not future.done():
                    future.set_result(time.perf_counter())

            client.on_data = on_data
            heard.append(future)
        return heard

    def close(self) -> None:
        for client in self.alive():
            client.transport.close()


async def deliver_to(plan: Plan, number: int) -> float:
    """Send message `number`, which goes to user number % users. Returns when its 250 came."""
    plan.args.messages, plan.next_number = number + 1, number
    await smtp_session(plan, number)
    return float(plan.last)


async def time_deliveries(args: argparse.Namespace, idlers: Idlers) -> dict[str, Any]:
    """Each message's way to one connection, and to all of its user."""
    plan, to_one, to_all, lost = Plan(args), [], [], 0
    chance = random.Random(1)
    for number in range(args.deliveries):
        heard = idlers.listen(number % args.users)
        if not heard:
            lost += 1
            continue
        accepted = await deliver_to(plan, number)
        await asyncio.wait(heard, timeout=args.timeout)
        chosen = chance.choice(heard)
        if not chosen.done():
            lost += 1
            continue
        to_one.append(chosen.result() - accepted)
        to_all.append(max(future.result() for future in heard if future.done()) - accepted)
        await asyncio.sleep(args.gap)
    return {
        "notified": len(to_one),
        "lost": lost,
        "errors": sum(plan.errors.values()),
        "error_texts": dict(plan.errors.most_common(3)),
        "accept_to_exists": quantiles(to_one),
        "accept_to_all": quantiles(to_all),
    }


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The whole row."""
    meter = Meter(args.server_pid)
    before, processes = meter.memory(meter.tree())[0], len(meter.tree())
    whole = Meter(args.server_pid).start()
    idlers = Idlers(args)
    took = await idlers.open()
    await asyncio.sleep(args.settle)
    after, held = meter.memory(meter.tree())[0], len(idlers.alive())
    meter.start()
    await asyncio.sleep(args.watch)
    idle = meter.stop()["server"]
    out = {
        "held": held,
        "failed": sum(idlers.failed.values()),
        "failures": dict(idlers.failed.most_common(3)),
        "opened_per_s": round(held / took, 1),
        "processes_before": processes,
        "pss_kib_each": round((after - before) / max(held, 1), 2),
        "pss_mib_above_empty": round((after - before) / 1024, 1),
        "idle_cpu_s_per_min": round((idle["cpu_user_s"] + idle["cpu_sys_s"]) * 60 / args.watch, 2),
        **await time_deliveries(args, idlers),
    }
    out["held"] = len(idlers.alive())
    out.update(whole.stop())
    idlers.close()
    return out


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[sending_options()]
    )
    parser.add_argument("-c", "--connections", type=int, default=10_000)
    parser.add_argument("--parallel", type=int, default=50, help="connections being opened at once")
    parser.add_argument("--settle", type=float, default=3)
    parser.add_argument("--watch", type=float, default=5, help="seconds over which to measure CPU while idle")
    parser.add_argument("--gap", type=float, default=0.01, help="pause between messages")
    parser.set_defaults(sessions=1, messages=100, users=200, timeout=10, loop_name="uvloop", command="many_idle")
    args = parser.parse_args()
    args.deliveries = args.messages
    return args


def main() -> None:
    args = parse()
    if not args.server_pid:
        sys.exit("many_idle: --server-pid is needed")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < args.connections + 100:
        sys.exit(f"many_idle: {args.connections} connections need more open files than the limit of {hard}")

    async def run() -> None:
        out = await measure(args)
        report(args, out, f"{out['held']} held, {out['notified']} notified, {out['accept_to_exists']}")

    loop_run(args, run())


if __name__ == "__main__":
    main()
