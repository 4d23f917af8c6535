"""hold: memory and CPU of N idling IMAP connections."""

from __future__ import annotations

import asyncio
import collections
import sys
import time
from argparse import ArgumentParser, Namespace

from tests.bench.loads.imap_client import ImapClient, imap_open, start_idle
from tests.bench.loads.meter import Meter
from tests.bench.loads.options import common_options
from tests.bench.loads.running import report


def options() -> ArgumentParser:
    """And how many, for how long."""
    parser = common_options()
    parser.add_argument("-c", "--connections", type=int, default=1000)
    parser.add_argument("--mailbox", default="INBOX")
    parser.add_argument("--parallel", type=int, default=50, help="connections being opened at once")
    parser.add_argument("--settle", type=float, default=3)
    parser.add_argument("--watch", type=float, default=5, help="seconds over which to measure CPU while idle")
    return parser


async def run(args: Namespace) -> None:
    """Memory before and with them, then CPU while nothing happens."""
    meter = Meter(args.server_pid)
    if not args.server_pid:
        sys.exit("hold: --server-pid is needed")
    before, base = meter.memory(meter.tree()), len(meter.tree())
    failed: collections.Counter[str] = collections.Counter()
    start = time.perf_counter()
    clients = await _open_all(args, failed)
    opened = time.perf_counter() - start
    await asyncio.sleep(args.settle)
    after, processes = meter.memory(meter.tree()), len(meter.tree())
    meter.start()
    await asyncio.sleep(args.watch)
    used = meter.stop()["server"]
    alive = sum(1 for c in clients if not c.closed)
    per = 1000 / max(alive, 1) / 1024
    cpu_s = used["cpu_user_s"] + used["cpu_sys_s"]
    out = {
        "held": alive,
        "failed": sum(failed.values()),
        "error_texts": dict(failed.most_common(3)),
        "opened_per_s": round(len(clients) / opened, 1),
        "processes_before": base,
        "processes_held": processes,
        "pss_before_mib": round(before[0] / 1024, 1),
        "pss_held_mib": round(after[0] / 1024, 1),
        "pss_mib_per_1000": round((after[0] - before[0]) * per, 1),
        "rss_mib_per_1000": round((after[1] - before[1]) * per, 1),
        "idle_cpu_s_per_min": round(cpu_s * 60 / max(args.watch, 0.1), 2),
    }
    for client in clients:
        client.transport.close()
    report(
        args,
        out,
        f"{alive} idle connections, PSS {out['pss_mib_per_1000']} MiB per 1000, {processes - base} more processes, "
        f"failed {out['failed']} {out['error_texts'] or ''}",
    )


async def _open_all(args: Namespace, failed: collections.Counter[str]) -> list[ImapClient]:
    limit = asyncio.Semaphore(args.parallel)

    async def one(number: int) -> ImapClient | None:
        async with limit:
            try:
                client = await imap_open(args, number)
                await start_idle(client, args.mailbox)
            except (OSError, RuntimeError) as error:
                failed[str(error)[:80]] += 1
                return None
            return client

    return [c for c in await asyncio.gather(*(one(i) for i in range(args.connections))) if c]
