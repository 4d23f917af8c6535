"""idle: SMTP delivery to EXISTS on an idling connection, latency."""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable

from tests.bench.loads.imap_client import ImapClient, imap_open, start_idle
from tests.bench.loads.meter import Meter, quantiles
from tests.bench.loads.options import sending_options
from tests.bench.loads.plan import Plan
from tests.bench.loads.running import report
from tests.bench.loads.smtp_client import smtp_session


def options() -> ArgumentParser:
    """And how long between two of them."""
    parser = sending_options()
    parser.add_argument("--gap", type=float, default=0.01, help="pause between messages (default: 0.01)")
    parser.set_defaults(messages=60, sessions=1)
    return parser


class Arrivals:
    """When a user's client was told EXISTS, of those one waits for."""

    def __init__(self) -> None:
        self._of_user: dict[int, asyncio.Future[float]] = {}

    def expect(self, index: int) -> asyncio.Future[float]:
        """The next one."""
        self._of_user[index] = asyncio.get_running_loop().create_future()
        return self._of_user[index]

    def listener(self, index: int) -> Callable[[bytes], None]:
        """For on_data of a client."""

        def on_data(data: bytes) -> None:
            if b"EXISTS" in data:
                event = self._of_user.get(index)
                if event and not event.done():
                    event.set_result(time.perf_counter())

        return on_data


async def run(args: Namespace) -> None:
    """One message at a time to each user in turn; EXISTS of that user timed."""
    arrivals = Arrivals()
    clients = await _idling(args, arrivals)
    plan = Plan(args)
    latency: list[float] = []
    after_accept: list[float] = []
    lost = 0
    meter = Meter(args.server_pid).start()
    for number in range(args.messages):
        event = arrivals.expect(number % args.users)
        plan.args.messages = number + 1  # let one message out
        plan.next_number = number
        sent = time.perf_counter()
        await smtp_session(plan, number)
        try:
            seen = await asyncio.wait_for(event, args.timeout)
        except TimeoutError:
            lost += 1
            continue
        # latency[-1] is MAIL to the final 250; what came before it is setup
        latency.append(seen - sent)
        after_accept.append(seen - plan.last)
        await asyncio.sleep(args.gap)
    out = {
        "users": args.users,
        "notified": len(latency),
        "lost": lost,
        "errors": sum(plan.errors.values()),
        "error_texts": dict(plan.errors.most_common(3)),
        "connect_to_exists": quantiles(latency),
        "accept_to_exists": quantiles(after_accept),
    }
    out.update(meter.stop(len(latency)))
    for client in clients:
        client.transport.close()
    words = f"from connect {out['connect_to_exists']}, from 250 {out['accept_to_exists']}"
    report(args, out, f"{len(latency)} notified, {lost} lost; {words}")


async def _idling(args: Namespace, arrivals: Arrivals) -> list[ImapClient]:
    clients = [await imap_open(args, i) for i in range(args.users)]
    for index, client in enumerate(clients):
        await start_idle(client, "INBOX")
        client.on_data = arrivals.listener(index)
    return clients
