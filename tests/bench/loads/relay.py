"""relay: messages through a relaying server until a sink has them."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from contextlib import suppress
from typing import Any

from tests.bench.loads.meter import Meter
from tests.bench.loads.options import sending_options
from tests.bench.loads.plan import Plan
from tests.bench.loads.running import loop_run, report
from tests.bench.loads.sink import listen
from tests.bench.loads.smtp import smtp_result, smtp_words
from tests.bench.loads.smtp_client import send_all


def options() -> ArgumentParser:
    """And what takes the messages in the end."""
    parser = sending_options()
    parser.add_argument("--sink", choices=["own", "smtp-sink"], default="own")
    parser.add_argument("--sink-port", type=int, default=3526)
    parser.set_defaults(recipient="r{}@relay.test")
    return parser


class OwnSink:
    """A process with the one of the module sink, from when this is made."""

    def __init__(self, args: Namespace) -> None:
        self.counter: Any = multiprocessing.Array("Q", 2, lock=False)
        ready = multiprocessing.Event()
        self.process = multiprocessing.Process(target=_sink_process, args=(args, self.counter, ready), daemon=True)
        self.process.start()
        if not ready.wait(10):
            sys.exit("sink did not start")

    def count(self) -> int:
        """Recipients of the messages it has taken."""
        return self.counter[1]

    def close(self) -> None:
        self.process.terminate()
        self.process.join()


class PostfixSink:
    """Postfix's smtp-sink. It counts messages, not recipients."""

    def __init__(self, args: Namespace) -> None:
        self.process = subprocess.Popen(
            ["smtp-sink", "-u", "nobody", "-c", f"{args.host}:{args.sink_port}", "1024"], stdout=subprocess.PIPE
        )
        os.set_blocking(self.process.stdout.fileno(), False)
        self.seen = 0
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex((args.host, args.sink_port)) == 0:
                    return
            time.sleep(0.05)
        sys.exit("smtp-sink did not start")

    def count(self) -> int:
        """Messages it has taken."""
        data = self.process.stdout.read() or b""
        found = re.findall(rb"mesg=(\d+)", data)
        if found:
            self.seen = int(found[-1])
        return self.seen

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def prepare(args: Namespace) -> None:
    """It forks, so before there is a loop."""
    args.sink_object = PostfixSink(args) if args.sink == "smtp-sink" else OwnSink(args)


async def run(args: Namespace) -> None:
    """Looks as often as --poll says, for at most --timeout in all."""
    sink = args.sink_object
    plan = Plan(args)
    wanted = args.messages * args.recipients
    meter = Meter(args.server_pid).start()
    seen, at_accept, changed = await _send_and_watch(plan, sink, wanted)
    out = smtp_result(plan)
    wall = changed - plan.first
    out.update(
        sink=args.sink,
        relayed=seen,
        expected=wanted,
        relay_s=round(wall, 3),
        relayed_at_last_accept=at_accept,
        relayed_per_s=round(seen / wall, 1),
    )
    out.update(meter.stop(seen))
    sink.close()
    words = f"{seen}/{wanted} at the sink in {wall:.2f} s = {out['relayed_per_s']} msg/s; "
    report(args, out, words + smtp_words(out))


async def _send_and_watch(plan: Plan, sink: Any, wanted: int) -> tuple[int, int | None, float]:
    """(how many the sink has, how many it had when the last was accepted, when its count changed last)."""
    args = plan.args
    sender = asyncio.ensure_future(send_all(plan))
    at_accept, give_up = None, time.perf_counter() + args.timeout
    seen, changed = 0, time.perf_counter()
    while True:
        now = sink.count()
        if now != seen:
            seen, changed = now, time.perf_counter()
        if sender.done() and at_accept is None:
            at_accept = seen
        if seen >= wanted or time.perf_counter() > give_up:
            break
        await asyncio.sleep(args.poll)
    await sender
    return seen, at_accept, changed


def _sink_process(args: Namespace, counter: Any, ready: Any) -> None:
    async def serve() -> None:
        server = await listen(args, counter)
        ready.set()
        await server.serve_forever()

    with suppress(KeyboardInterrupt):
        loop_run(args, serve())
