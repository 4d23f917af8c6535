"""Does every part of the appliance answer? One line for each; /healthz says 200 only when all do.

Nothing here raises and nothing waits long: a part that cannot be asked is a part that does not answer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
import redis
from django.conf import settings
from django.db import DatabaseError, InterfaceError

from mailadmin.database import raw_connection
from mailadmin.status.processes import ROLES, Process, processes

TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Component:
    """One part, whether it answers, and a few words."""

    name: str
    ok: bool
    words: str


def check() -> list[Component]:
    """Every component, in the order in which one needs the other."""
    database, running = _database()
    return [database, _valkey(), *(_role(role, running) for role in ROLES)]


def _database() -> tuple[Component, Sequence[Process]]:
    try:
        conn = raw_connection()
        return Component("postgresql", True, f"answers, version {conn.info.server_version // 10000}"), processes(conn)
    except (DatabaseError, InterfaceError, psycopg.Error) as error:
        first_line = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        return Component("postgresql", False, f"does not answer: {first_line}"), ()


def _valkey() -> Component:
    try:
        with redis.Redis.from_url(
            settings.REDIS_URL, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S
        ) as client:
            client.ping()
    except redis.RedisError as error:
        return Component("valkey", False, f"does not answer: {type(error).__name__}")
    return Component("valkey", True, "answers")


def _role(role: str, running: Sequence[Process]) -> Component:
    own = [process for process in running if process.role == role]
    alive = [process for process in own if process.alive]
    if alive:
        missing = len(own) - len(alive)
        words = f"{len(alive)} running, pid {', '.join(str(process.pid) for process in alive)}"
        return Component(role, True, words + (f"; {missing} not seen" if missing else ""))
    if own:
        return Component(role, False, f"not seen for {min(process.unseen_s for process in own):.0f} s")
    return Component(role, False, "never seen")
