"""What Prometheus reads from /metrics: computed from PostgreSQL at each scrape, so that it is the same from any
web process and survives restarts.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from shutil import disk_usage
from typing import Any

import psycopg
from django.conf import settings
from django.utils import timezone
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from psycopg.rows import dict_row

from mailadmin.status import statements
from mailadmin.status.processes import config_generation, processes
from mailcore.db.status import STALE_AFTER_S

PROTOCOLS = ("imap", "pop3")
STATES = ("waiting", "leased", "held")


class ApplianceCollector:
    """Gathers all metrics of this appliance over one connection."""

    def __init__(self, conn: psycopg.Connection[Any]) -> None:
        self._conn = conn

    def collect(self) -> Iterator[Metric]:
        """Called once per scrape."""
        yield from self._queue()
        yield from self._traffic()
        yield from self._processes()
        yield self._sessions()
        yield from self._storage()

    def _rows(self, statement: str, **parameters: Any) -> list[dict[str, Any]]:
        with self._conn.cursor(row_factory=dict_row) as cursor:
            return cursor.execute(statement, parameters or None).fetchall()

    def _queue(self) -> Iterator[Metric]:
        counts = {row["state"]: row["recipients"] for row in self._rows(statements.QUEUE)}
        by_state = GaugeMetricFamily("mailkeep_queue_recipients", "Recipients in the queue.", labels=["state"])
        for state in STATES:
            by_state.add_metric([state], counts.get(state, 0))
        yield by_state
        age = self._rows(statements.QUEUE_AGE)[0]
        yield GaugeMetricFamily("mailkeep_queue_messages", "Messages in the queue.", value=age["messages"])
        yield GaugeMetricFamily(
            "mailkeep_queue_oldest_seconds", "Age of the oldest queued message.", value=_age_s(age["oldest"])
        )

    def _traffic(self) -> Iterator[Metric]:
        events = CounterMetricFamily("mailkeep_mail_events", "What happened to mail, by kind.", labels=["kind"])
        for row in self._rows(statements.TOTALS):
            events.add_metric([row["kind"]], row["count"])
        yield events

    def _processes(self) -> Iterator[Metric]:
        names = ["role", "number", "host"]
        up = GaugeMetricFamily("mailkeep_process_up", "1 when the process reported within 10 s.", labels=names)
        started = GaugeMetricFamily(
            "mailkeep_process_start_time_seconds", "When the process started, Unix time.", labels=names
        )
        runs = GaugeMetricFamily("mailkeep_process_generation", "Configuration generation it runs.", labels=names)
        for process in processes(self._conn):
            labels = [process.role, str(process.number), process.host]
            up.add_metric(labels, int(process.alive))
            started.add_metric(labels, process.started_at.timestamp())
            runs.add_metric(labels, process.generation)
        yield from (up, started, runs)
        yield GaugeMetricFamily(
            "mailkeep_config_generation", "Configuration generation committed.", value=config_generation(self._conn)
        )

    def _sessions(self) -> Metric:
        rows = self._rows(statements.SESSIONS, stale_after_s=STALE_AFTER_S)
        counts = {row["protocol"]: row["sessions"] for row in rows}
        found = GaugeMetricFamily("mailkeep_sessions", "Clients that are logged in, by protocol.", labels=["protocol"])
        for protocol in PROTOCOLS:
            found.add_metric([protocol], counts.get(protocol, 0))
        return found

    def _storage(self) -> Iterator[Metric]:
        stored = self._rows(statements.MAILBOXES)[0]
        for name, words in (
            ("accounts", "Accounts."),
            ("domains", "Domains."),
            ("messages", "Messages in mailboxes."),
            ("bytes", "Bytes in mailboxes."),
        ):
            yield GaugeMetricFamily(f"mailkeep_mailboxes_{name}", words, value=stored[name])
        disk = disk_usage(settings.MAIL_HOME)
        yield GaugeMetricFamily("mailkeep_disk_free_bytes", "Free space under MAIL_HOME.", value=disk.free)
        yield GaugeMetricFamily("mailkeep_disk_size_bytes", "Size of the file system of MAIL_HOME.", value=disk.total)


def exposition(conn: psycopg.Connection[Any]) -> bytes:
    """The text format of Prometheus."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(ApplianceCollector(conn))
    return generate_latest(registry)


def _age_s(moment: datetime | None) -> float:
    return 0.0 if moment is None else max((timezone.now() - moment).total_seconds(), 0.0)
