"""Lists as PostgreSQL arrays, for batches.

psycopg looks at every element several times to find the type of an array. Here the statement says it
(%(uids)s::bigint[], or the column that the array is compared with), so a list only has to be written down. A batch
passes some twenty lists; this was a third of its time in Python.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.adapt import Dumper


def literal(values: list[Any]) -> str:
    """The array's text form: {1,2,NULL} or {"a","b"}."""
    types = set(map(type, values))
    if len(types) == 1:
        written = map(_WRITERS.get(types.pop(), _by_class), values)
    else:
        written = map(_any, values)
    return "{" + ",".join(written) + "}"


def _any(value: Any) -> str:
    return _WRITERS.get(type(value), _by_class)(value)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _by_class(value: Any) -> str:
    """Subclasses: enums of str and int, datetimes of others."""
    for known, write in _WRITERS.items():
        if isinstance(value, known):
            return write(value)
    raise psycopg.ProgrammingError(f"no array of {type(value).__name__}")


_WRITERS: dict[type, Callable[[Any], str]] = {
    bool: lambda value: "t" if value else "f",
    int: int.__repr__,
    str: _quoted,
    float: float.__repr__,
    datetime: lambda value: f'"{value.isoformat()}"',
    date: lambda value: f'"{value.isoformat()}"',
    bytes: lambda value: f'"\\\\x{value.hex()}"',
    UUID: str,
    type(None): lambda _: "NULL",
    list: literal,
}


class ListDumper(Dumper):
    """Text of unknown type: the statement knows it."""

    def dump(self, obj: list[Any]) -> bytes:
        """Raises psycopg.ProgrammingError for elements of other types, psycopg.DataError for a NUL."""
        text = literal(obj)
        if "\0" in text:
            raise psycopg.DataError("PostgreSQL text fields cannot contain NUL (0x00) bytes")
        return text.encode()


def register(conn: psycopg.Connection[Any]) -> None:
    """Use it in this connection."""
    conn.adapters.register_dumper(list, ListDumper)
