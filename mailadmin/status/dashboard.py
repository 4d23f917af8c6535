"""What the first page of the panel shows: traffic, queue, workers, disk, and what was turned away lately."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from shutil import disk_usage
from typing import Any

import psycopg
from django.conf import settings
from django.http import HttpRequest
from django.utils import timezone
from psycopg.rows import dict_row

from mailadmin.database import raw_connection
from mailadmin.directory.quantities import format_bytes
from mailadmin.status import statements
from mailadmin.status.processes import ROLES, config_generation, processes

HOURS = 24
# kind in traffic_hour, name in the legend, colour
SERIES = (
    ("accepted", "in", "#3a92c0"),
    ("relayed", "out", "#16a34a"),
    ("refused", "refused", "#dc2626"),
    ("deferred", "deferred", "#f59e0b"),
    ("bounced", "bounced", "#7c3aed"),
)
CHART_OPTIONS = {
    "animation": False,
    "responsive": True,
    "maintainAspectRatio": False,
    "interaction": {"mode": "index", "intersect": False},
    "plugins": {"legend": {"display": False}},
    "scales": {
        "x": {"stacked": True, "grid": {"display": False}, "ticks": {"maxRotation": 0, "autoSkipPadding": 16}},
        "y": {"stacked": True, "beginAtZero": True, "ticks": {"precision": 0}},
    },
}


def add_dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK: the context of admin/index.html."""
    conn = raw_connection()
    return {
        **context,
        "title": "Dashboard",
        **traffic(conn),
        **live(conn),
        "refusals": _rows(conn, statements.REFUSALS),
    }


def live(conn: psycopg.Connection[Any]) -> dict[str, Any]:
    """The part that the page asks for again every few seconds."""
    states = {row["state"]: row for row in _rows(conn, statements.QUEUE)}
    age = _rows(conn, statements.QUEUE_AGE)[0]
    running = processes(conn)
    disk = disk_usage(settings.MAIL_HOME)
    return {
        "queue_messages": age["messages"],
        "queue_oldest": age["oldest"],
        "queue_states": {
            state: states[state]["recipients"] if state in states else 0 for state in ("waiting", "leased", "held")
        },
        "processes": running,
        "missing_roles": [role for role in ROLES if not any(p.role == role and p.alive for p in running)],
        "generation": config_generation(conn),
        "stored": _rows(conn, statements.MAILBOXES)[0],
        "disk_percent": round(100 * disk.used / disk.total) if disk.total else 0,
        "disk_free": format_bytes(disk.free),
        "disk_size": format_bytes(disk.total),
    }


def traffic(conn: psycopg.Connection[Any], now: datetime | None = None) -> dict[str, Any]:
    """The chart's data, its legend with totals, and the same numbers as a table."""
    hours = last_hours(now or timezone.now())
    rows = _rows(conn, statements.TRAFFIC, since=hours[0], kinds=[kind for kind, _, _ in SERIES])
    counts = {(row["kind"], row["hour"]): row["count"] for row in rows}
    series = [
        {"label": label, "backgroundColor": colour, "data": [counts.get((kind, hour), 0) for hour in hours]}
        for kind, label, colour in SERIES
    ]
    labels = [timezone.localtime(hour).strftime("%H:%M") for hour in hours]
    return {
        "chart_data": json.dumps({"labels": labels, "datasets": series}),
        "chart_options": json.dumps(CHART_OPTIONS),
        "chart_legend": [(item["label"], item["backgroundColor"], sum(item["data"])) for item in series],
        "chart_table": _busy_hours(labels, series),
        "chart_empty": not counts,
    }


def last_hours(now: datetime) -> list[datetime]:
    """The starts of the last 24 hours, the running one last."""
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    return [this_hour - timedelta(hours=back) for back in range(HOURS - 1, -1, -1)]


def _busy_hours(labels: Sequence[str], series: Sequence[dict[str, Any]]) -> list[tuple[str, list[int]]]:
    """The hours in which something happened, newest first."""
    table = [(label, [item["data"][at] for item in series]) for at, label in enumerate(labels)]
    return [row for row in reversed(table) if any(row[1])]


def _rows(conn: psycopg.Connection[Any], statement: str, **parameters: Any) -> list[dict[str, Any]]:
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(statement, parameters).fetchall()
