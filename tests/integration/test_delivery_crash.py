"""kill -9 in the middle of deliver_batch: every batch that returned is there exactly once, and nothing half-written."""

import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.contract.mailbox_support import Owner, an_owner, insert_account

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 12


def start_child(owners: list[Owner], url: str, home: Path, worker: int) -> subprocess.Popen[str]:
    accounts = [f"{o.account.id},{o.account.address},{o.account.store}" for o in owners]
    child = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("delivery_child.py")), url, str(home), str(worker), *accounts],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def run_until_killed(owners: list[Owner], url: str, home: Path, worker: int) -> list[str]:
    """Subjects of all messages a child was promised before it died at a moment nobody chose."""
    child = start_child(owners, url, home, worker)
    time.sleep(random.uniform(0.02, 0.25))
    child.send_signal(signal.SIGKILL)
    output, _ = child.communicate()
    return [subject for line in output.splitlines(keepends=True) if line.endswith("\n") for subject in line.split()]


@pytest.mark.timeout(240)
def test_what_was_promised_before_a_kill_is_there_once_and_whole(database_url, mail_home):
    with an_owner(database_url, mail_home) as bob:
        carl = Owner(bob.conn, bob.storage, insert_account(bob.conn, "carl", store="mbox"))
        owners = [bob, carl]

        promised = [
            subject for worker in range(ROUNDS) for subject in run_until_killed(owners, database_url, mail_home, worker)
        ]

        assert promised
        for owner in owners:
            found = subjects_by_uid(owner)
            once = [subject for subject in promised if list(found.values()).count(subject) != 1]
            assert once == [], f"{owner.account.store}: promised and not there exactly once"
            assert len(set(found.values())) == len(found)
            owner.assert_counters()
        assert_queue_has_its_content(bob, mail_home)


def subjects_by_uid(owner: Owner) -> dict[int, str]:
    """The subject of every message, each of which must be whole."""
    found = {}
    for uid in owner.open().uids:
        data = owner.read(uid).decode()
        match = re.search(r"Subject: (\S+)\r\n", data)
        assert match, data[:200]
        assert data.endswith(f"\r\n\r\n{match[1] * 200}\r\n"), f"half a message: {match[1]}"
        found[uid] = match[1]
    return found


def assert_queue_has_its_content(owner: Owner, home: Path) -> None:
    rows = owner.conn.execute("SELECT queue_id FROM queue_message").fetchall()
    names = {path.name for path in (home / "spool" / "queue").rglob("*") if path.is_file()}
    assert {row[0] for row in rows} <= names
    assert rows
