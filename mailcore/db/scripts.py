"""A small transaction in few messages to PostgreSQL, each waited for once.

What STORE and APPEND ask of the database is less than what asking costs: psycopg spends 50 µs of Python on a statement,
and BEGIN and COMMIT are statements as well. Here the statements are prepared under names of their own, and a message is
a text such as `BEGIN;EXECUTE lock(1,2)`: one call of libpq, without the interpreter's lock. Values are written into the
text, so they are of few types, and texts are quoted by libpq. What a message answers is its last statement's first row.

A connection forgets what is prepared when psycopg rolls back (it sends DEALLOCATE ALL). Those of our pools say so; on
others a script finds out, and begins once more. Inside of somebody's larger transaction a script is a savepoint.
"""

from __future__ import annotations

import select
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any
from weakref import WeakKeyDictionary

import psycopg
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.pq import ConnStatus, Escaping, ExecStatus, TransactionStatus
from psycopg.pq.abc import PGresult

from mailcore.db import arrays

Connection = psycopg.Connection[Any]
Value = int | str | datetime | list[str] | None
Row = list[bytes | None]
Statements = tuple["Statement", ...]

# Which scripts' statements a connection has had prepared. Those of a script come and go together.
_prepared: WeakKeyDictionary[Connection, set[Statements]] = WeakKeyDictionary()
_LIMITED_WAIT = b"SET LOCAL lock_timeout='5s';"
_UNFLUSHED = b"SET LOCAL synchronous_commit=off;"


@dataclass(frozen=True, slots=True)
class Statement:
    """`text` has $1, $2 for values of these `types`. No other statement has its name, and only one script has it."""

    name: str
    types: str
    text: str


@dataclass(frozen=True, slots=True)
class _Bounds:
    begin: bytes
    commit: bytes
    rollback: bytes


_TRANSACTION = _Bounds(b"BEGIN;", b"COMMIT", b"ROLLBACK")
_SAVEPOINT = _Bounds(b"SAVEPOINT mailkeep;", b"RELEASE mailkeep", b"ROLLBACK TO mailkeep;RELEASE mailkeep")


def forget(conn: Connection) -> None:
    """PostgreSQL has forgotten what was prepared on this connection."""
    _prepared.pop(conn, None)


class Script:
    """One database transaction, in which these statements may be run; not in a pipeline. Left without `commit` it is
    rolled back. Whatever waits for a lock waits for 5 s at most (psycopg.errors.LockNotAvailable). `flushed` off:
    COMMIT does not wait for the disk.
    """

    def __init__(self, conn: Connection, statements: Statements, *, flushed: bool = True) -> None:
        self._conn = conn
        self._statements = statements
        is_alone = conn.pgconn.transaction_status == TransactionStatus.IDLE
        self._bounds = _TRANSACTION if is_alone else _SAVEPOINT
        self._first = self._bounds.begin + _LIMITED_WAIT + (b"" if flushed else _UNFLUSHED)
        self._is_open = False
        self._is_asked = False

    def __enter__(self) -> Script:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._is_open:
            with suppress(psycopg.Error):
                self._settle()
            with suppress(psycopg.Error):
                self._send(self._bounds.rollback)

    def begin(self, statement: Statement, *values: Value) -> Row | None:
        """BEGIN and a first statement. Raises psycopg.Error."""
        asked = self._first + self.call(statement, *values)
        self._prepare()
        self._is_open = True
        try:
            return _row(self._send(asked))
        except InvalidSqlStatementName:
            _prepared.get(self._conn, set()).discard(self._statements)
            self._send(self._bounds.rollback)
            self._prepare()
            return _row(self._send(asked))

    def run(self, call: bytes) -> Row | None:
        """What `call` has written. Raises psycopg.Error."""
        return _row(self._send(call))

    def start(self, call: bytes) -> None:
        """Send what `call` has written, and go on; what is sent next waits for the answer, and raises its error."""
        self._settle()
        self._conn.pgconn.send_query(call)
        self._is_asked = True
        while self._conn.pgconn.flush():
            self._wait(select.POLLIN | select.POLLOUT)

    def commit(self, call: bytes = b"") -> None:
        """What `call` has written, and COMMIT with it. Raises psycopg.Error."""
        self._send(call + b";" + self._bounds.commit if call else self._bounds.commit)
        self._is_open = False

    def call(self, statement: Statement, *values: Value) -> bytes:
        """The text that runs a statement. Raises psycopg.DataError for a NUL."""
        written = b",".join([self._written(value) for value in values])
        return b"EXECUTE %b(%b)" % (statement.name.encode(), written)

    def _written(self, value: Value) -> bytes:
        if isinstance(value, int):
            return b"%d" % value
        if value is None:
            return b"NULL"
        if isinstance(value, list):
            value = arrays.literal(value)
        text = value if isinstance(value, str) else value.isoformat()
        if "\0" in text:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return bytes(Escaping(self._conn.pgconn).escape_literal(text.encode()))

    def _prepare(self) -> None:
        known = _prepared.setdefault(self._conn, set())
        if self._statements not in known:
            for each in self._statements:
                self._send(f"PREPARE {each.name} ({each.types}) AS {each.text}".encode())
            known.add(self._statements)

    def _send(self, text: bytes) -> PGresult:
        self._settle()
        if self._conn.pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError("the connection is lost")
        return self._checked(self._conn.pgconn.exec_(text))

    def _settle(self) -> None:
        """Wait for the answer to what was started. get_result would keep the interpreter's lock if it had to wait."""
        pgconn, results = self._conn.pgconn, []
        while self._is_asked:
            while pgconn.is_busy():
                self._wait(select.POLLIN)
                pgconn.consume_input()
            if result := pgconn.get_result():
                results.append(result)
            self._is_asked = result is not None
        for result in results:
            self._checked(result)

    def _wait(self, events: int) -> None:
        waiting = select.poll()
        waiting.register(self._conn.pgconn.socket, events)
        waiting.poll()

    def _checked(self, result: PGresult) -> PGresult:
        if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
            return result
        if self._conn.pgconn.status != ConnStatus.OK:
            raise psycopg.OperationalError(result.get_error_message())
        raise error_from_result(result)


def _row(result: PGresult) -> Row | None:
    return [result.get_value(0, column) for column in range(result.nfields)] if result.ntuples else None
