"""imap: rates of login, SELECT, FETCH, SEARCH, STORE, APPEND."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from typing import Any

from tests.bench.loads.imap_client import imap_close, imap_open
from tests.bench.loads.imap_phases import PHASES, Clients, together
from tests.bench.loads.meter import Meter
from tests.bench.loads.options import common_options
from tests.bench.loads.running import report


def options() -> ArgumentParser:
    """And how much of which phase."""
    parser = common_options()
    parser.add_argument("-c", "--connections", type=int, default=4)
    parser.add_argument("--mailbox", default="INBOX")
    parser.add_argument("--phases", default=",".join(PHASES))
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--logins", type=int, default=1000)
    parser.add_argument("--stores", type=int, default=500, help="per connection")
    parser.add_argument("--appends", type=int, default=250, help="per connection")
    parser.add_argument("-l", "--size", type=int, default=4096)
    return parser


async def run(args: Namespace) -> None:
    """A phase that fails is reported as such, the others are measured."""
    wanted = args.phases.split(",")
    for name in wanted:
        if name not in PHASES:
            sys.exit(f"imap: no phase {name}; there are {','.join(PHASES)}")
    if args.users < args.connections:
        print("imap: more connections than users, mailboxes are shared", file=sys.stderr)
    clients = [await imap_open(args, i) for i in range(args.connections)]
    out: dict[str, Any] = {"connections": args.connections, "phases": {}, "usage": {}}
    whole = Meter(args.server_pid).start()
    selected = False
    for name in wanted:
        if name not in ("login", "select") and not selected:
            await together(clients, lambda c, i: c.submit(f'SELECT "{args.mailbox}"'.encode()))
        selected = selected or name != "login"
        out["phases"][name], out["usage"][name] = await _phase(name, args, clients)
        print(f"imap {name}: {out['phases'][name]} {out['usage'][name]}", file=sys.stderr)
    out.update(whole.stop())
    for client in clients:
        await imap_close(client)
    report(args, out, f"{len(wanted)} phases on {args.connections} connections")


async def _phase(name: str, args: Namespace, clients: Clients) -> tuple[dict[str, Any], dict[str, Any]]:
    """(what it found, what it used)."""
    meter = Meter(args.server_pid).start()
    try:
        found = await PHASES[name](args, clients)
    except (RuntimeError, AttributeError) as error:
        found = {"error": str(error)}
    used = meter.stop()
    server = used.get("server")
    return found, {
        "wall_s": used["system"]["wall_s"],
        "cpu_busy": used["system"]["cpu_busy"],
        "generator_cpu_s": used["generator_cpu_s"],
        "disk_flushes": used["system"]["disk_flushes"],
        "server_cpu_s": round(server["cpu_user_s"] + server["cpu_sys_s"], 2) if server else None,
    }
