"""preload: fill mailboxes over IMAP APPEND to a given count."""

from __future__ import annotations

import asyncio
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress

from tests.bench.loads.imap_client import ImapClient, imap_close, imap_open, mailbox_count
from tests.bench.loads.messages import Maker
from tests.bench.loads.meter import Meter
from tests.bench.loads.options import common_options
from tests.bench.loads.running import report, user

BATCH = 100


def options() -> ArgumentParser:
    """And how full they shall be."""
    parser = common_options()
    parser.add_argument("--mailbox", default="INBOX")
    parser.add_argument("--count", type=int, default=10000, help="messages each mailbox shall have")
    parser.add_argument("-l", "--size", type=int, default=4096)
    return parser


async def run(args: Namespace) -> None:
    """All users at once."""
    maker = Maker(args.size)
    start = time.perf_counter()
    meter = Meter(args.server_pid).start()
    results = await asyncio.gather(*(_fill(args, i, maker) for i in range(args.users)))
    wall = time.perf_counter() - start
    added = sum(r[0] for r in results)
    out = {
        "users": args.users,
        "mailbox": args.mailbox,
        "added": added,
        "messages_now": [r[1] for r in results],
        "append_per_s": round(added / wall, 1),
    }
    out.update(meter.stop(added))
    report(args, out, f"{added} messages added in {wall:.1f} s = {added / wall:.0f} msg/s")


async def _fill(args: Namespace, number: int, maker: Maker) -> tuple[int, int]:
    """(added, messages now)."""
    client = await imap_open(args, number)
    capability = (await client.submit(b"CAPABILITY")).upper().split()
    if args.mailbox != "INBOX":
        with suppress(RuntimeError):
            await client.submit(f'CREATE "{args.mailbox}"'.encode())
    have = await mailbox_count(client, args.mailbox)
    to = user(args, number)
    added = 0
    while have < args.count:
        upto = min(args.count, have + BATCH)
        await _append(client, capability, args.mailbox, [maker.mixed(i, to) for i in range(have, upto)])
        added += upto - have
        have = upto
    await imap_close(client)
    return added, have


async def _append(client: ImapClient, capability: list[bytes], mailbox: str, messages: list[bytes]) -> None:
    """In the quickest way that the server knows."""
    literal_plus = b"LITERAL+" in capability
    if literal_plus and b"MULTIAPPEND" in capability:
        literals = b"".join(b" {%d+}\r\n%s" % (len(m), m) for m in messages)
        await client.submit(f'APPEND "{mailbox}"'.encode() + literals)
    elif literal_plus:
        await asyncio.gather(*(client.append(mailbox, m, sync=False) for m in messages))
    else:
        for message in messages:
            await client.append(mailbox, message, sync=True)
