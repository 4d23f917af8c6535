"""Memory of the server while large messages come in and go out, at once on several connections.

    python -m tests.bench.large -n 4 --mib 50 --smtp-port N --imap-port N --server-pid PID

Three phases, each on N connections at the same time: DATA of a message of that size to each of N users, UID FETCH
BODY.PEEK[] of it read as fast as it comes, and the same by readers that are slower than the server. Sampled every few
milliseconds is the PSS of the processes that do the work (smtpd.service, accessd.service, by their command lines);
what a connection costs is the highest sample above the one before the phase, divided by N. Everything the server runs
(PostgreSQL too) is in total_pss_mib. Prints one line of JSON, as load.py does.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests.bench.loads.messages import RUN
from tests.bench.loads.meter import Meter
from tests.bench.loads.options import common_options
from tests.bench.loads.running import loop_run, report, user

MIB = 1 << 20
BLOCK = 64 << 10
RECEIVING, SERVING = "smtpd.service", "accessd.service"


class Peak(threading.Thread):
    """The highest PSS of some processes, sampled while the block runs."""

    def __init__(self, roots: list[int], program: str, every_s: float = 0.01) -> None:
        super().__init__(daemon=True)
        self.pids = [pid for pid in Meter(roots).tree() if program in command_line(pid)]
        if not self.pids:
            raise SystemExit(f"large: no process called {program} below {roots}")
        self._every_s, self._over = every_s, threading.Event()
        self.before_kib = self.highest_kib = self._now()
        self.samples = 0

    def run(self) -> None:
        while not self._over.wait(self._every_s):
            self.highest_kib = max(self.highest_kib, self._now())
            self.samples += 1

    def __enter__(self) -> Peak:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def _now(self) -> int:
        return int(Meter.memory(self.pids)[0])


def command_line(pid: int) -> str:
    """The words of a process, or nothing when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:
        return ""


def message_blocks(size: int, number: int) -> list[bytes]:
    """A message of exactly `size` bytes on the wire, in pieces; the pieces of its body are one object many times."""
    head = (
        f"From: <sender@example.org>\r\nSubject: large message {number}\r\nMIME-Version: 1.0\r\n"
        "Date: Mon, 02 Mar 2026 10:00:00 +0000\r\nContent-Type: application/octet-stream\r\n"
        f"Content-Transfer-Encoding: base64\r\nMessage-ID: <large-{number}.{RUN}@bench.invalid>\r\n\r\n"
    ).encode()
    line = (b"QUJD" * 19)[:76] + b"\r\n"
    block = line * (BLOCK // len(line))
    whole, rest = divmod(size - len(head) - 2, len(block))
    return [head, *[block] * whole, (line * (rest // len(line) + 1))[:rest] + b"\r\n"]


async def send(args: argparse.Namespace, number: int) -> int:
    """One message by DATA. Returns its size. Raises RuntimeError on any refusal."""
    reader, writer = await asyncio.open_connection(args.host, args.smtp_port)

    async def said(code: bytes) -> None:
        line = await reader.readline()
        while line[3:4] == b"-":
            line = await reader.readline()
        if not line.startswith(code):
            raise RuntimeError(line.decode(errors="replace").strip() or "closed by server")

    await said(b"220")
    to = user(args, number)
    for command, code in (("EHLO bench.invalid", b"250"), (f"MAIL FROM:<{args.sender}>", b"250"),
                          (f"RCPT TO:<{to}>", b"250"), ("DATA", b"354")):  # fmt: skip
        writer.write(f"{command}\r\n".encode())
        await said(code)
    size = 0
    for block in message_blocks(args.bytes, number):
        writer.write(block)
        size += len(block)
        await writer.drain()
    writer.write(b".\r\n")
    await said(b"250")
    writer.close()
    return size


Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def select(args: argparse.Namespace, number: int) -> Streams:
    """A connection that has its INBOX selected. Raises RuntimeError."""
    reader, writer = await asyncio.open_connection(args.host, args.imap_port, limit=4 * BLOCK)
    await reader.readline()
    for command in (f'a LOGIN "{user(args, number)}" "{args.password}"', "a SELECT INBOX"):
        writer.write(f"{command}\r\n".encode())
        while not (line := await reader.readline()).startswith(b"a "):
            if not line:
                raise RuntimeError("closed by server")
        if not line.startswith(b"a OK"):
            raise RuntimeError(line.decode(errors="replace").strip())
    return reader, writer


async def fetch(streams: Streams, bytes_per_s: float = 0.0) -> int:
    """Read the last message, at most so fast. Returns the bytes that came. Raises RuntimeError."""
    reader, writer = streams
    writer.write(b"a FETCH * BODY.PEEK[]\r\n")
    found = re.search(rb"\{(\d+)\}", await reader.readline())
    if found is None:
        raise RuntimeError("no literal in the answer to FETCH")
    size, begun, left = int(found[1]), time.monotonic(), int(found[1])
    while left:
        block = await reader.read(min(left, BLOCK))
        if not block:
            raise RuntimeError("closed by server")
        left -= len(block)
        if bytes_per_s:
            await asyncio.sleep(max(0.0, begun + (size - left) / bytes_per_s - time.monotonic()))
    writer.close()
    return size


async def phase(args: argparse.Namespace, program: str, job: Any) -> dict[str, Any]:
    """`job(number)` on all connections at once, with the memory it took."""
    with Peak(args.server_pid, program) as peak:
        begun = time.perf_counter()
        sizes = await asyncio.gather(*(job(number) for number in range(args.connections)))
        took = time.perf_counter() - begun
    above = (peak.highest_kib - peak.before_kib) / 1024
    return {
        "pss_mib_before": round(peak.before_kib / 1024, 1),
        "pss_mib_highest": round(peak.highest_kib / 1024, 1),
        "pss_mib_each": round(above / args.connections, 2),
        "samples": peak.samples,
        "bytes": sum(sizes),
        "mb_per_s": round(sum(sizes) / took / 1e6, 1),
    }


async def measure(args: argparse.Namespace) -> dict[str, Any]:
    """All three phases. Logging in is not a part of any: checking a password has a memory of its own."""
    meter = Meter(args.server_pid).start()
    out: dict[str, Any] = {"connections": args.connections, "mib": args.mib}
    out["receive"] = await phase(args, RECEIVING, lambda number: send(args, number))
    for name, bytes_per_s in (("serve", 0.0), ("serve_slowly", args.slow_mib_per_s * MIB)):
        open_ones = [await select(args, number) for number in range(args.connections)]
        out[name] = await phase(args, SERVING, lambda number, o=open_ones, r=bytes_per_s: fetch(o[number], r))
    out.update(meter.stop(args.connections))
    out["total_pss_mib"] = out["server"]["pss_mib"]
    return out


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, parents=[common_options()]
    )
    parser.add_argument("-n", "--connections", type=int, default=4)
    parser.add_argument("--mib", type=int, default=50)
    parser.add_argument("--slow-mib-per-s", type=float, default=10.0, help="how fast the slow readers read")
    parser.add_argument("--sender", default="sender@example.org")
    parser.set_defaults(first_user=20, loop_name="uvloop", command="large")
    args = parser.parse_args()
    args.bytes = args.mib * MIB
    return args


def main() -> None:
    args = parse()
    if not args.server_pid:
        sys.exit("large: --server-pid is needed")

    async def run() -> None:
        out = await measure(args)
        words = ", ".join(f"{name} {out[name]['pss_mib_each']}" for name in ("receive", "serve", "serve_slowly"))
        report(args, out, f"MiB PSS for each of {args.connections} connections: {words}")

    loop_run(args, run())


if __name__ == "__main__":
    main()
