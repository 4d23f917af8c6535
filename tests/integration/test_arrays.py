"""Lists come back from PostgreSQL as they went there."""

import math
from datetime import UTC, datetime, timedelta, timezone
from enum import IntEnum, StrEnum
from uuid import uuid4

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailcore.db import arrays

AWARE = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))


@pytest.fixture(scope="module")
def conn(servers):
    with psycopg.connect(servers.create_database(), autocommit=True) as conn:
        arrays.register(conn)
        yield conn


def back(conn, kind: str, values):
    return conn.execute(f"SELECT %s::{kind}[]", [values]).fetchone()[0]


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("bigint", []),
        ("bigint", [1, -2, None, 2**62]),
        ("smallint", [0, 8]),
        ("text", ["", "NULL", "a b", 'quo"te', "back\\slash", "{x,y}", "ä€😀", "line\nend", " blank ", None]),
        ("boolean", [True, False, None]),
        ("bytea", [b"", b"\x00\xff\\", None]),
        ("float8", [1.5, -0.1, math.inf]),
        ("timestamptz", [AWARE, datetime(1, 1, 1, tzinfo=UTC), None]),
        ("uuid", [uuid4(), None]),
        ("bigint", [[1, 2], [3, 4]]),
    ],
)
def test_lists_come_back(conn, kind, values):
    assert back(conn, kind, values) == values


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(alphabet=st.characters(exclude_characters="\0", exclude_categories=["Cs"])) | st.none()))
def test_any_text_comes_back(conn, values):
    assert back(conn, "text", values) == values


def test_enums_are_their_values(conn):
    class Name(StrEnum):
        A = "a"

    class Number(IntEnum):
        ONE = 1

    assert back(conn, "text", [Name.A]) == ["a"]
    assert back(conn, "bigint", [Number.ONE]) == [1]


def test_a_list_beside_a_column_needs_no_type(conn):
    assert conn.execute("SELECT relname FROM pg_class WHERE relname = ANY(%s)", [["pg_class"]]).fetchall()


def test_what_cannot_be_in_an_array_is_said(conn):
    with pytest.raises(psycopg.DataError):
        back(conn, "text", ["a\0b"])
    with pytest.raises(psycopg.ProgrammingError, match="complex"):
        back(conn, "text", [1j])
