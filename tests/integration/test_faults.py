"""Nothing acknowledged is lost, nothing half-written is shown: kill -9 of each process under load, Valkey emptied,
PostgreSQL away for five seconds. The supervisor brings everything back."""

from __future__ import annotations

import imaplib
import os
import re
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from mailadmin.appliance.embedded import EmbeddedPostgres, postgres_answers
from mailadmin.appliance.privilege import child_setup
from tests.fakes.numbered_mail import BODY, Sender
from tests.fixtures_servers import choose_free_port, quick_folder, wait_until

DOMAIN = "linuxadmin.dev"
PASSWORD = "correct horse battery"
ROLES = ("smtpd", "accessd", "web", "scheduler", "worker", "valkey", "postgres")

pytestmark = pytest.mark.timeout(300)


def make_account(appliance: Any, who: str, store: str = "maildir") -> str:
    """An account of its own for a test. Returns its address."""
    address = f"{who}@{DOMAIN}"
    assert appliance.api("PUT", f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "local"}).status < 300
    body = {"address": address, "password": PASSWORD, "store": store}
    assert appliance.api("PUT", f"accounts/{address}/", body).status < 300
    return address


def imap(appliance: Any, address: str) -> imaplib.IMAP4:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = imaplib.IMAP4_SSL("127.0.0.1", appliance.ports.imaps, ssl_context=context)
    client.login(address, PASSWORD)
    return client


def numbers_in_mailbox(appliance: Any, address: str) -> Counter[int]:
    """The numbers of the messages in INBOX, each read whole: a damaged one fails the test."""
    client = imap(appliance, address)
    client.select("INBOX", readonly=True)
    _, found = client.fetch("1:*", "(BODY.PEEK[])")
    client.logout()
    numbers: Counter[int] = Counter()
    for part in found:
        if isinstance(part, tuple):
            text = part[1].decode().replace("\r\n", "\n")
            number = int(re.search(r"^Subject: number (\d+)$", text, re.M)[1])  # type: ignore[index]
            assert text.endswith(f"{BODY}end {number}\n"), f"number {number} is damaged"
            numbers[number] += 1
    return numbers


def check_nothing_lost(appliance: Any, sender: Sender) -> None:
    assert not sender.running, "the sender did not get through"
    assert sender.permanent == []
    assert sender.acknowledged == set(range(sender.count))

    def complete() -> bool:
        try:
            return set(numbers_in_mailbox(appliance, sender.to)) >= sender.acknowledged
        except (imaplib.IMAP4.error, OSError):
            return False  # the database may still be recovering: NO [UNAVAILABLE]

    wait_until(complete, seconds=30, what="every acknowledged message is in the mailbox")


@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_kill_9_of_each_process_in_turn_under_load(appliance, store):
    address = make_account(appliance, f"killed-{store}", store)
    before = appliance.pids()
    sender = Sender(appliance.ports.smtp, address, count=500, patience_s=120)

    sender.start()
    for role in ROLES:
        for pid in appliance.pids(role).values():
            os.kill(pid, signal.SIGKILL)
        time.sleep(0.7)
    sender.join()

    check_nothing_lost(appliance, sender)
    wait_until(lambda: set(appliance.pids()) == set(before), seconds=60, what="the supervisor brings everything back")
    assert not set(appliance.pids().values()) & set(before.values()), "every process is a new one"
    wait_until(lambda: is_healthy(appliance), seconds=60, what="/healthz says 200")


def test_an_emptied_valkey_loses_nothing(appliance):
    address = make_account(appliance, "emptied")
    sender = Sender(appliance.ports.smtp, address, count=500)

    sender.start()
    with redis.Redis.from_url(appliance.redis_url) as client:
        while sender.running:
            client.flushall()
            time.sleep(0.2)
    sender.join()

    check_nothing_lost(appliance, sender)


def is_healthy(appliance: Any) -> bool:
    try:
        with urllib.request.urlopen(f"{appliance.url}/healthz", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


class OutsidePostgres:
    """A PostgreSQL of its own, durable, that this test stops and starts."""

    def __init__(self, folder: Path) -> None:
        self.server = EmbeddedPostgres(folder / "pg", choose_free_port(), "for-this-test")
        self.server.initialise()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.server.command(), env=self.server.environment(), cwd="/", stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
            preexec_fn=child_setup(self.server.stop_signal, self.server.user),
        )  # fmt: skip
        wait_until(lambda: postgres_answers(self.server.url("postgres")), seconds=30, what="PostgreSQL answers")

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(self.server.stop_signal)
        self.process.wait(30)


@pytest.fixture(scope="module")
def outside_postgres() -> Iterator[OutsidePostgres]:
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-pg-", dir=quick_folder()))
    folder.chmod(0o711)
    server = OutsidePostgres(folder)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def test_five_seconds_without_postgresql_are_a_4xx_and_never_a_5xx(
    make_appliance: Callable[..., Any], outside_postgres: OutsidePostgres
):
    with psycopg.connect(outside_postgres.server.url("postgres"), autocommit=True) as conn:
        conn.execute("CREATE DATABASE mailkeep")
    appliance = make_appliance(DATABASE_URL=outside_postgres.server.url("mailkeep"))
    address = make_account(appliance, "patient")
    sender = Sender(appliance.ports.smtp, address, count=500, patience_s=90)

    sender.start()
    wait_until(lambda: len(sender.acknowledged) > 20, what="mail flows")
    outside_postgres.stop()
    heard_before = len(sender.temporary)
    time.sleep(5)
    outside_postgres.start()
    sender.join()

    assert len(sender.temporary) > heard_before, "somebody heard that it has to wait"
    assert all("4" in words for words in sender.temporary[heard_before:])
    check_nothing_lost(appliance, sender)
