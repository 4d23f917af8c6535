"""Does every part of the appliance answer? One line for each; /healthz says 200 only when all do.

Nothing here raises, and all of it is over within a good second: a part that cannot be asked in time is a part that does
not answer. A program is well when it reports itself and, on this machine, when its ports answer; those of another
machine or container are reached by other addresses than it reports, if at all.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection

from mailadmin.database import raw_connection
from mailadmin.status.ports import Port, parse_ports, troubles
from mailadmin.status.processes import ROLES, Process, processes
from mailadmin.status.servers import postgres_trouble, valkey_trouble

WITHIN_S = 0.9
# Of that, how long the database may take for each of two steps: without it nobody knows whom to ask next.
DATABASE_WITHIN_S = 0.35
# What is left for the others at least.
AT_LEAST_S = 0.2


@dataclass(frozen=True, slots=True)
class Component:
    """One part, whether it answers, and a few words."""

    name: str
    ok: bool
    words: str


def check() -> list[Component]:
    """Every component, in the order in which one needs the other."""
    began = time.monotonic()
    database, running = _database()
    left_s = max(WITHIN_S - (time.monotonic() - began), AT_LEAST_S)
    valkey, found = asyncio.run(_ask_others(_own_ports(running or ()), left_s))
    if running is None:
        return [database, valkey, *(Component(role, False, "not known without the database") for role in ROLES)]
    return [database, valkey, *(_role(role, running, found) for role in ROLES)]


def _database() -> tuple[Component, Sequence[Process] | None]:
    """And the processes, None when nobody knows them."""
    where = connection.settings_dict
    trouble = postgres_trouble(where["HOST"], int(where["PORT"] or 5432), DATABASE_WITHIN_S)
    if trouble:
        return Component("postgresql", False, f"does not answer: {trouble}"), None
    try:
        conn = raw_connection()
        return Component("postgresql", True, f"answers, version {conn.info.server_version // 10000}"), processes(conn)
    except (DatabaseError, InterfaceError, psycopg.Error) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return Component("postgresql", False, f"does not answer: {first_line}"), None


async def _ask_others(ports: Iterable[Port], within_s: float) -> tuple[Component, Mapping[Port, str]]:
    trouble, found = await asyncio.gather(valkey_trouble(settings.REDIS_URL, within_s), troubles(ports, within_s))
    return Component("valkey", not trouble, f"does not answer: {trouble}" if trouble else "answers"), found


def _own_ports(running: Iterable[Process]) -> tuple[Port, ...]:
    """Those that can be asked: of processes of this machine."""
    here = socket.gethostname()
    return parse_ports(
        text for process in running if process.alive and process.host == here for text in process.listening
    )


def _role(role: str, running: Sequence[Process], found: Mapping[Port, str]) -> Component:
    own = [process for process in running if process.role == role]
    alive = [process for process in own if process.alive]
    if alive:
        words = f"{len(alive)} running (pid {', '.join(str(process.pid) for process in alive)})"
        asked = {port: found[port] for port in _own_ports(alive)}
        missing = len(own) - len(alive)
        words += _ports_in_words(asked) + (f"; {missing} not seen" if missing else "")
        return Component(role, not any(asked.values()), words)
    if own:
        return Component(role, False, f"not seen for {min(process.unseen_s for process in own):.0f} s")
    return Component(role, False, "never seen")


def _ports_in_words(asked: Mapping[Port, str]) -> str:
    if not asked:
        return ""
    silent = [f"{port} ({trouble})" for port, trouble in asked.items() if trouble]
    answering = len(asked) - len(silent)
    if not answering:
        return f", no port answers: {', '.join(silent)}"
    words = f", {answering} {'port answers' if answering == 1 else 'ports answer'}"
    return words + (f", not {', '.join(silent)}" if silent else "")
