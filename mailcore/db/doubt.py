"""Has the database committed? When an error comes instead of the answer to COMMIT, only some errors say no."""

from __future__ import annotations

from typing import Any

import psycopg

# PostgreSQL, appendix A: connection lost, ended by an operator, failed system, failed server. They speak of the
# session, which may have committed before.
OF_THE_SESSION = ("08", "57P", "58", "XX")


def is_in_doubt(conn: psycopg.Connection[Any], error: BaseException) -> bool:
    """Whether the rows of the transaction may be there, although this was raised. `conn.broken` alone is not enough:
    psycopg learns it from the end of the stream, after the server's last words.
    """
    if conn.broken:
        return True
    if not isinstance(error, psycopg.Error):
        return False
    return error.sqlstate is None or error.sqlstate.startswith(OF_THE_SESSION)
