"""`manage.py appliance status`: every process by role, from what the supervisor wrote, /proc and process_status."""

import socket
import time
from typing import Any

import psycopg

from mailadmin.appliance.configuration import Configuration
from mailadmin.appliance.sockets import listening_addresses
from mailadmin.appliance.state import ChildState, Lock, read_state

REPORTED = "SELECT pid, generation FROM process_status WHERE host = %s"
CURRENT = "SELECT generation FROM config_generation"
# These read the configuration anew for every request, and so always run the current one.
ALWAYS_CURRENT = {"web"}


def gather(configuration: Configuration) -> dict[str, Any]:
    """Everything, as plain values for JSON."""
    state = read_state(configuration.home)
    running = Lock(configuration.home).is_held()
    if state is None or not running:
        return {"running": False, "ready": False, "home": str(configuration.home), "processes": []}
    current, reported = _generations(configuration)
    return {
        "running": True,
        "ready": state.ready,
        "pid": state.pid,
        "home": str(configuration.home),
        "url": state.public_url,
        "uptime_s": _since(state.started_at),
        "generation": current,
        "processes": [_process(child, current, reported) for child in state.processes],
    }


def readable(found: dict[str, Any]) -> str:
    """The same as a table."""
    if not found["running"]:
        return f"Not running ({found['home']})."
    head = f"Mailkeep, pid {found['pid']}, up {_duration(found['uptime_s'])}, {found['url']}"
    head += f", configuration generation {found['generation']}"
    rows = [("PROCESS", "PID", "STATE", "UPTIME", "RESTARTS", "GENERATION", "LISTENING")]
    for process in found["processes"]:
        uptime = "-" if process["uptime_s"] is None else _duration(process["uptime_s"])
        rows.append(
            (
                process["name"],
                str(process["pid"] or "-"),
                process["state"],
                uptime,
                str(process["restarts"]),
                "-" if process["generation"] is None else str(process["generation"]),
                " ".join(process["listening"]) or "-",
            )
        )
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([head, "", *lines])


def _process(child: ChildState, current: int | None, reported: dict[int, int]) -> dict[str, Any]:
    alive = child.pid is not None
    generation = current if alive and child.role in ALWAYS_CURRENT else reported.get(child.pid or 0)
    return {
        "role": child.role,
        "number": child.number,
        "name": child.name,
        "pid": child.pid,
        "state": child.state,
        "uptime_s": _since(child.started_at) if alive and child.started_at else None,
        "restarts": child.restarts,
        "listening": listening_addresses(child.pid) if child.pid else [],
        "generation": generation,
    }


def _generations(configuration: Configuration) -> tuple[int | None, dict[int, int]]:
    """The current generation, and which one each process says it runs. Nothing known while the database is away."""
    if not configuration.database_url:
        return None, {}
    try:
        with psycopg.connect(configuration.database_url, connect_timeout=3, autocommit=True) as connection:
            row = connection.execute(CURRENT).fetchone()
            rows = connection.execute(REPORTED, (socket.gethostname(),)).fetchall()
    except psycopg.Error:
        return None, {}
    reported: dict[int, int] = {}
    for pid, generation in rows:
        # A pool child of Celery reports for the process that the supervisor knows.
        for known in (pid, _parent(pid)):
            if known is not None:
                reported[known] = generation
    return (int(row[0]) if row else None), reported


def _parent(pid: int) -> int | None:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return int(file.read().rpartition(")")[2].split()[1])
    except OSError:
        return None


def _since(moment: float) -> float:
    return round(max(0.0, time.time() - moment), 1)


def _duration(seconds: float) -> str:
    days, rest = divmod(int(seconds), 86400)
    hours, rest = divmod(rest, 3600)
    minutes, whole = divmod(rest, 60)
    if days:
        return f"{days}d{hours:02}h"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{whole:02}s" if minutes else f"{whole}s"
