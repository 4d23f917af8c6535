"""Has anything changed of the mailboxes that somebody sees? Asked while Redis is away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from mailcore.sharing import statements

Connection = psycopg.Connection[Any]


def account_states(conn: Connection, account_ids: Sequence[int]) -> dict[int, str]:
    """A digest for each account of what a list of its mailboxes shows: whether anything of that has changed."""
    return dict(conn.execute(statements.ACCOUNT_STATES, {"account_ids": list(account_ids)}).fetchall())
