"""Many rows like one that is there: made by PostgreSQL itself, whatever columns the table has.

Only for sizes that the API would take hours for. The first row of its kind always comes in by the front door.
"""

from __future__ import annotations

from typing import Any

import psycopg
from psycopg import sql

COLUMNS = """
SELECT column_name FROM information_schema.columns
WHERE table_schema = current_schema() AND table_name = %s AND is_generated = 'NEVER' AND is_identity = 'NO'
ORDER BY ordinal_position
"""


def multiply(
    conn: psycopg.Connection[Any], table: str, like: str, numbers: range, changed: dict[str, str], **values: Any
) -> None:
    """Insert a copy of the row for which the condition `like` holds, for each of `numbers`. `changed` gives the
    columns that differ as SQL over n, the number; `values` are the parameters of both.
    """
    kept = [row[0] for row in conn.execute(COLUMNS, [table]) if row[0] not in {"id", *changed}]
    query = sql.SQL(
        "INSERT INTO {table} ({names}) SELECT {columns} "
        "FROM {table} AS one, generate_series(%(_from)s::bigint, %(_to)s::bigint) AS n "
        "WHERE {like} ORDER BY n"
    ).format(
        table=sql.Identifier(table),
        names=sql.SQL(", ").join(map(sql.Identifier, [*kept, *changed])),
        columns=sql.SQL(", ").join([*(sql.Identifier("one", name) for name in kept), *map(sql.SQL, changed.values())]),
        like=sql.SQL(like),
    )
    if numbers:
        conn.execute(query, {"_from": numbers[0], "_to": numbers[-1], **values})
