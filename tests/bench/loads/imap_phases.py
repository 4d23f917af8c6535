"""What the load imap measures, one phase after the other, on all connections at once."""

from __future__ import annotations

import asyncio
import re
import statistics
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from tests.bench.loads.imap_client import ImapClient, imap_close, imap_open
from tests.bench.loads.messages import NEEDLE, Maker
from tests.bench.loads.meter import quantiles
from tests.bench.loads.running import user

Clients = list[ImapClient]
Phase = Callable[[Namespace, Clients], Awaitable[dict[str, Any]]]

SEARCHES = {"header": f"HEADER SUBJECT {NEEDLE}", "text": f"TEXT {NEEDLE}"}
ENVELOPE = b"FETCH 1:* (UID FLAGS ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE)"
APPENDED_TO = "BenchAppend"


async def together(clients: Clients, job: Callable[[ImapClient, int], Awaitable[Any]]) -> tuple[list[Any], float]:
    """Run job(client, index) on every connection at once. Returns the answers, and seconds."""
    start = time.perf_counter()
    answers = await asyncio.gather(*(job(c, i) for i, c in enumerate(clients)))
    return answers, time.perf_counter() - start


async def login(args: Namespace, clients: Clients) -> dict[str, Any]:
    """Connections of their own, one after the other."""
    left = [args.logins]
    times: list[float] = []

    async def worker(number: int) -> None:
        while left[0] > 0:
            left[0] -= 1
            start = time.perf_counter()
            client = await imap_open(args, number)
            times.append(time.perf_counter() - start)
            await imap_close(client)
            number += args.connections

    start = time.perf_counter()
    await asyncio.gather(*(worker(i) for i in range(args.connections)))
    wall = time.perf_counter() - start
    return {"logins": len(times), "per_s": round(len(times) / wall, 1), **quantiles(times)}


async def select(args: Namespace, clients: Clients) -> dict[str, Any]:
    """SELECT, the first one apart."""
    command = f'SELECT "{args.mailbox}"'.encode()
    first, _ = await together(clients, lambda c, i: c.timed(command))
    again: list[float] = []
    for _ in range(args.rounds * 3):
        answers, _ = await together(clients, lambda c, i: c.timed(command))
        again += [seconds for _, seconds in answers]
    exists = [int(re.search(rb"(\d+) EXISTS", a).group(1)) for a, _ in first]
    return {"exists": exists, "first": quantiles([s for _, s in first]), "again": quantiles(again)}


async def flags(args: Namespace, clients: Clients) -> dict[str, Any]:
    """What clients ask for when they come back."""
    return await _fetch(args, clients, b"FETCH 1:* (FLAGS UID)")


async def envelope(args: Namespace, clients: Clients) -> dict[str, Any]:
    """What a list of messages shows."""
    return await _fetch(args, clients, ENVELOPE)


async def body(args: Namespace, clients: Clients) -> dict[str, Any]:
    """Everything."""
    return await _fetch(args, clients, b"UID FETCH 1:* (UID BODY.PEEK[])")


async def _fetch(args: Namespace, clients: Clients, command: bytes) -> dict[str, Any]:
    """The first round apart: it may fill caches that later rounds use."""
    rows = []
    for _ in range(args.rounds):
        answers, wall = await together(clients, lambda c, i: c.timed(command))
        count = sum(a.count(b" FETCH (") for a, _ in answers)
        size = sum(len(a) for a, _ in answers)
        rows.append((count / wall, size / wall / 1e6, statistics.median(s for _, s in answers), count))

    def fields(part: list[Any]) -> dict[str, float]:
        return {
            "msg_per_s": round(statistics.median(r[0] for r in part), 1),
            "mb_per_s": round(statistics.median(r[1] for r in part), 2),
            "command_ms": round(statistics.median(r[2] for r in part) * 1e3, 2),
        }

    return {"messages": rows[0][3], "first": fields(rows[:1]), "again": fields(rows[1:] or rows)}


async def search(args: Namespace, clients: Clients) -> dict[str, Any]:
    """For the needle, in a header field and everywhere."""
    return {name: await _search(args, clients, words.encode()) for name, words in SEARCHES.items()}


async def _search(args: Namespace, clients: Clients, criteria: bytes) -> dict[str, Any]:
    rows = []
    for _ in range(args.rounds):
        answers, _ = await together(clients, lambda c, i: c.timed(b"UID SEARCH " + criteria))
        rows.append((statistics.median(s for _, s in answers), answers))
    hits = [len(re.search(rb"\* (?:E?SEARCH)([ \d]*)", a).group(1).split()) for a, _ in rows[0][1]]
    return {
        "hits": hits,
        "first_ms": round(rows[0][0] * 1e3, 2),
        "again_ms": round(statistics.median(r[0] for r in rows[1:] or rows) * 1e3, 2),
    }


async def store(args: Namespace, clients: Clients) -> dict[str, Any]:
    """One message after the other, then all at once."""
    times: list[float] = []

    async def singles(client: ImapClient, index: int) -> None:
        for uid in (await _uids(client))[: args.stores]:
            _, seconds = await client.timed(b"UID STORE " + uid + b" +FLAGS.SILENT (\\Flagged)")
            times.append(seconds)

    _, wall = await together(clients, singles)
    bulk = [await _store_all(clients, b"%bFLAGS.SILENT (\\Answered)" % sign) for sign in (b"+", b"-")]
    await _store_all(clients, b"-FLAGS.SILENT (\\Flagged)")
    total = sum([len(await _uids(c)) for c in clients])
    return {
        "single_per_s": round(len(times) / wall, 1),
        **quantiles(times),
        "bulk_msg_per_s": round(total / statistics.median(bulk), 1),
    }


async def _store_all(clients: Clients, change: bytes) -> float:
    _, seconds = await together(clients, lambda c, i: c.timed(b"STORE 1:* " + change))
    return seconds


async def _uids(client: ImapClient) -> list[bytes]:
    answer = await client.submit(b"UID SEARCH ALL")
    return re.search(rb"\* SEARCH([ \d]*)", answer).group(1).split()


async def append(args: Namespace, clients: Clients) -> dict[str, Any]:
    """Into a mailbox of its own, one message after the other."""
    maker = Maker(args.size)
    quick = b"LITERAL+" in (await clients[0].submit(b"CAPABILITY")).upper().split()
    times: list[float] = []

    async def prepare(client: ImapClient, index: int) -> None:
        with suppress(RuntimeError):
            await client.submit(f'CREATE "{APPENDED_TO}"'.encode())

    async def job(client: ImapClient, index: int) -> None:
        for number in range(args.appends):
            start = time.perf_counter()
            await client.append(APPENDED_TO, maker.mixed(number, user(args, index)), sync=not quick)
            times.append(time.perf_counter() - start)

    await together(clients, prepare)
    _, wall = await together(clients, job)
    await together(clients, lambda c, i: c.submit(f'DELETE "{APPENDED_TO}"'.encode()))
    return {"appends": len(times), "per_s": round(len(times) / wall, 1), "literal_plus": quick, **quantiles(times)}


PHASES: dict[str, Phase] = {
    "login": login,
    "select": select,
    "flags": flags,
    "envelope": envelope,
    "body": body,
    "search": search,
    "store": store,
    "append": append,
}
