"""Waiting for a running appliance: a failure shows what the appliance has said, and what is left in its queue."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from tests.fakes.dead_leases import DeadLeases
from tests.fixtures_servers import wait_until

LEFT = """
SELECT state, count(*), min(next_attempt_at) - now(), max(lease_until) - now(), max(unfinished_attempts),
       max(last_reply)
FROM queue_recipient GROUP BY state
"""
# What a killed or cut off worker held waits for the end of its lease (45 s), and is then tried alone.
QUEUE_WITHIN_S = 180.0


def wait_patiently(appliance: Any, condition: Callable[[], object], seconds: float, what: str) -> None:
    """As wait_until."""
    try:
        wait_until(condition, seconds=seconds, what=what)
    except pytest.fail.Exception as failure:
        status = appliance.manage("appliance", "status", check=False).stdout
        raise AssertionError(f"{failure}\n{status}\n{left_in_queue(appliance)}\n{appliance.output[-20_000:]}") from None


def wait_for_empty_queue(appliance: Any, *, leases_end: bool = True) -> None:
    """Everything is delivered or reported on. Without `leases_end` what the dead held is due at once."""
    dead = None if leases_end else DeadLeases()
    wait_patiently(appliance, lambda: queue_length(appliance, dead) == 0, QUEUE_WITHIN_S, "the queue is empty")


def queue_length(appliance: Any, dead: DeadLeases | None = None) -> int:
    """Messages in the queue; with `dead`, after ending the leases of workers that are."""
    with psycopg.connect(appliance.database_url, autocommit=True) as conn:
        if dead is not None:
            dead.end(conn)
        row = conn.execute("SELECT count(*) FROM queue_message").fetchone()
    assert row is not None
    return int(row[0])


def left_in_queue(appliance: Any) -> str:
    """What is left, in a few words for each state."""
    try:
        with psycopg.connect(appliance.database_url, connect_timeout=5) as conn:
            return "\n".join(str(row) for row in conn.execute(LEFT))
    except psycopg.Error as error:
        return str(error)
