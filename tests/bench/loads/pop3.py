"""pop3: login, STAT, UIDL, RETR of everything, QUIT."""

from __future__ import annotations

import asyncio
import statistics
import time
from argparse import ArgumentParser, Namespace
from typing import NamedTuple

from tests.bench.loads.meter import Meter, quantiles
from tests.bench.loads.options import common_options
from tests.bench.loads.pop3_client import pop_open
from tests.bench.loads.running import report


def options() -> ArgumentParser:
    """And how many at once."""
    parser = common_options()
    parser.add_argument("-c", "--connections", type=int, default=4)
    return parser


class Session(NamedTuple):
    """What one has fetched, and seconds."""

    messages: int
    octets: int
    login_s: float
    stat_s: float
    uidl_s: float
    all_s: float


async def run(args: Namespace) -> None:
    """Each connection a user of its own."""
    meter = Meter(args.server_pid).start()
    start = time.perf_counter()
    rows = await asyncio.gather(*(_fetch_all(args, i) for i in range(args.connections)))
    wall = time.perf_counter() - start
    count, size = sum(r.messages for r in rows), sum(r.octets for r in rows)
    out = {
        "connections": args.connections,
        "messages": count,
        "msg_per_s": round(count / wall, 1),
        "mb_per_s": round(size / wall / 1e6, 2),
        "login": quantiles([r.login_s for r in rows]),
        "stat": quantiles([r.stat_s for r in rows]),
        "uidl": quantiles([r.uidl_s for r in rows]),
        "session_s": round(statistics.median(r.all_s for r in rows), 3),
    }
    out.update(meter.stop(count))
    report(args, out, f"{count} messages in {wall:.2f} s = {out['msg_per_s']} msg/s, {out['mb_per_s']} MB/s")


async def _fetch_all(args: Namespace, number: int) -> Session:
    start = time.perf_counter()
    client = await pop_open(args, number)
    ready = time.perf_counter()
    count = int((await client.line(b"STAT")).split()[1])
    stat = time.perf_counter()
    listing = await client.line(b"UIDL", multi=True)
    uidl = time.perf_counter()
    assert listing.count(b"\r\n") == count + 2, "UIDL and STAT differ"
    size = 0
    for n in range(1, count + 1):
        size += len(await client.line(b"RETR %d" % n, multi=True))
    await client.line(b"QUIT")
    client.transport.close()
    return Session(count, size, ready - start, stat - ready, uidl - stat, time.perf_counter() - start)
