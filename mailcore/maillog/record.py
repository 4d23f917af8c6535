"""Writes events to the maillog and into the trace, in batches, in a thread of its own: a reply never waits for it.

A process whose events follow those of another one gathers a little longer (`gather_s`), so that the maillog tells them
in their order: the queue's attempts come after the line that says whose message it is.

The promise is that of a log, not of mail: what was recorded within the last half second before a crash may be missing.
While the database is away events wait in memory, at most MAX_WAITING of them; the file gets them at once.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from mailcore.log import get_logger
from mailcore.maillog import statements
from mailcore.maillog.event import COLUMNS, EMPTY, Event, fields_of
from mailcore.maillog.line import lines_of

GATHER_S = 0.2  # what happens within this time is written together
RETRY_S = 0.5
MAX_WAITING = 100_000
MAX_BATCH = 2_000
NOT_TRACED = frozenset({"connected", "disconnected", "auth_ok"})  # in the log only: they would drown the trace

COPY = sql.SQL("COPY trace_event ({}) FROM STDIN").format(sql.SQL(", ").join(map(sql.Identifier, COLUMNS)))

log = get_logger(__name__)


class Recorder:
    """`record()` takes an event at any time from any thread; it never blocks and never raises."""

    def __init__(self, dsn: str, maillog: Path | None, *, hostname: str = "", gather_s: float = GATHER_S) -> None:
        self._dsn = dsn
        self._gather_s = gather_s
        self._maillog = maillog
        self._hostname = (hostname or socket.gethostname()).partition(".")[0] or "localhost"
        self._waiting: deque[Event] = deque(maxlen=MAX_WAITING)
        self._unlogged: deque[Event] = deque(maxlen=MAX_WAITING)
        self._stopping = threading.Event()
        self._something = threading.Event()
        self._conn: psycopg.Connection[Any] | None = None
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def record(self, event: Event) -> None:
        """Note that this happened."""
        self._unlogged.append(event)
        if event.kind not in NOT_TRACED:
            self._waiting.append(event)
        if not self._something.is_set():
            self._something.set()

    def record_all(self, events: Iterable[Event]) -> None:
        """Note several, in order."""
        for event in events:
            self.record(event)

    def close(self) -> None:
        """Write what waits, for at most five seconds, and end the thread."""
        self._stopping.set()
        self._something.set()
        self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._something.wait()
            self._stopping.wait(self._gather_s)
            self._something.clear()
            if not self._flush():
                self._stopping.wait(RETRY_S)
                self._something.set()
        self._flush()
        if self._conn is not None:
            self._conn.close()

    def _flush(self) -> bool:
        """Write everything; False if the database did not take it and some of it still waits."""
        self._flush_maillog()
        while self._waiting:
            batch = [self._waiting[n] for n in range(min(len(self._waiting), MAX_BATCH))]
            if not self._store(batch):
                return False
            for _ in batch:
                self._waiting.popleft()
        return True

    def _flush_maillog(self) -> None:
        lines: list[str] = []
        while self._unlogged:
            lines += lines_of(self._unlogged.popleft(), self._hostname, os.getpid())
        if not lines or self._maillog is None:
            return
        try:
            # Opened for every batch: logrotate may move the file away at any time. One write: lines of several
            # processes do not mix.
            with self._maillog.open("ab", buffering=0) as file:
                file.write(("\n".join(lines) + "\n").encode(errors="replace"))
        except OSError as error:
            log.error("maillog_not_written", path=str(self._maillog), error=str(error), lines=len(lines))

    def _store(self, batch: Sequence[Event]) -> bool:
        try:
            if self._conn is None or self._conn.closed:
                self._conn = psycopg.connect(self._dsn, autocommit=True, connect_timeout=2)
            store(self._conn, batch)
        except (psycopg.OperationalError, psycopg.InterfaceError):
            self._disconnect()
            return False  # kept: tried again with the next flush
        except psycopg.Error as error:
            log.error("trace_not_written", error=str(error).strip(), events=len(batch))
        return True

    def _disconnect(self) -> None:
        if self._conn is not None:
            self._conn.close()
        self._conn = None


def store(conn: psycopg.Connection[Any], events: Sequence[Event]) -> None:
    """Put events into the trace and count them, in one transaction. Raises psycopg.Error."""
    with conn.transaction(), conn.cursor() as cursor:
        with cursor.copy(COPY) as copy:
            for event in events:
                for row in rows_of(event):
                    copy.write_row(row)
        counted = sorted(Counter(map(_hour_and_kind, events)).items())
        hours, kinds = [hour for (hour, _), _ in counted], [kind for (_, kind), _ in counted]
        cursor.execute(statements.COUNT, {"hours": hours, "kinds": kinds, "counts": [count for _, count in counted]})


def rows_of(event: Event) -> list[tuple[Any, ...]]:
    """The rows of trace_event: one, or for an accepted message one per recipient, so that each can be searched."""
    fields = {name: _text(value) for name, value in fields_of(event).items()}
    recipients = fields.get("recipients") or [fields.get("recipient", "")]
    return [_row(event.kind, {**fields, "recipient": recipient}) for recipient in recipients]


def _row(kind: str, fields: dict[str, Any]) -> tuple[Any, ...]:
    detail = {name: value for name, value in fields.items() if name not in COLUMNS and value not in ("", [], None)}
    known: dict[str, Any] = {**fields, "kind": kind, "detail": json.dumps(detail, default=str)}
    known["client_address"] = known.get("client_address") or None
    return tuple(known.get(name, EMPTY.get(name, "")) for name in COLUMNS)


def _text(value: Any) -> Any:
    """PostgreSQL's text holds no NUL; a tuple becomes a JSON list."""
    if isinstance(value, str):
        if value.isascii() and "\0" not in value:
            return value
        return value.replace("\0", "\ufffd").encode(errors="replace").decode()
    if isinstance(value, tuple):
        return [_text(item) for item in value]
    return value


def _hour_and_kind(event: Event) -> tuple[datetime, str]:
    return event.at.replace(minute=0, second=0, microsecond=0), event.kind
