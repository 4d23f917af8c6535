"""A PostgreSQL with a synchronous standby dies; the standby is promoted, as Patroni or pg_auto_failover would do it.

The node knows both servers by one URL and finds by itself which of them takes writes (docs/scaling.md).
"""

import os
import re
import shutil
import signal
import smtplib
import subprocess
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from mailadmin.appliance import embedded
from mailadmin.appliance.embedded import EmbeddedPostgres, postgres_answers
from mailadmin.appliance.privilege import child_setup
from tests.fakes.mail_node import MailNode, make_site
from tests.fixtures_servers import PASSWORD as DATABASE_PASSWORD
from tests.fixtures_servers import choose_free_port, quick_folder, schema_digest, wait_until
from tests.integration.smtp_server import DOMAIN, encoded_password, prepare_database

USER = f"alice@{DOMAIN}"
# The processes die, not the machine; commits wait for the standby all the same.
SETTINGS = {"fsync": "off", "wal_level": "replica"}


class Server:
    """One PostgreSQL as a process group of its own."""

    def __init__(self, folder: Path, database: str) -> None:
        self.postgres = EmbeddedPostgres(folder, choose_free_port(), DATABASE_PASSWORD, SETTINGS)
        self.database = database
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.postgres.url(self.database)

    def start(self) -> None:
        user = self.postgres.user
        with open(self.postgres.folder.with_suffix(".log"), "wb") as log:
            self._process = subprocess.Popen(
                self.postgres.command(),
                env=self.postgres.environment(),
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                preexec_fn=child_setup(signal.SIGINT, user),
            )
        wait_until(lambda: postgres_answers(self.postgres.url("postgres")), seconds=30, what="PostgreSQL answers")

    def copy_to(self, folder: Path) -> None:
        """A standby of this server, not yet running."""
        program = Path(embedded._postgres_program("postgres")).with_name("pg_basebackup")
        command = [
            str(program),
            "-d",
            self.postgres.url("postgres"),
            "-D",
            str(folder),
            "-R",
            "-c",
            "fast",
            "--no-sync",
        ]
        setup = child_setup(signal.SIGTERM, self.postgres.user)
        subprocess.run(command, check=True, env=self.postgres.environment(), preexec_fn=setup, cwd="/")

    def execute(self, statement: str) -> list[tuple[object, ...]]:
        with psycopg.connect(self.postgres.url("postgres"), autocommit=True) as conn:
            cursor = conn.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=20)
            self._process = None


@pytest.fixture
def pair(servers):
    """A primary, and a standby for which its commits wait."""
    servers.postgres()
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-pair-", dir=quick_folder()))
    folder.chmod(0o777)
    subprocess.run(["cp", "-a", str(servers._cache / f"mailkeep-{schema_digest()}"), str(folder / "one")], check=True)
    primary = Server(folder / "one", "mail")
    standby = Server(folder / "two", "mail")
    try:
        primary.start()
        primary.execute("CREATE DATABASE mail TEMPLATE mailkeep_template")
        primary.copy_to(folder / "two")
        standby.start()
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")
        synchronous = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_until(lambda: primary.execute(synchronous), seconds=20, what="the standby is synchronous")
        yield primary, standby
    finally:
        primary.kill()
        standby.kill()
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(eq=False)
class Sender(threading.Thread):
    """Sends numbered messages one after the other, and remembers which were accepted."""

    port: int
    accepted: list[int] = field(default_factory=list)
    refused_for_good: list[str] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        super().__init__(daemon=True)

    def run(self) -> None:
        number = 0
        while not self.stopping.is_set():
            number += 1
            try:
                with smtplib.SMTP("127.0.0.1", self.port, timeout=20) as client:
                    client.sendmail("bob@elsewhere.example", [USER], f"Subject: number {number}\r\n\r\nBody\r\n")
                self.accepted.append(number)
            except smtplib.SMTPException as error:
                if " 5" in str(error) or "(5" in str(error):
                    self.refused_for_good.append(str(error))
            except OSError:
                pass


def test_a_dead_primary_loses_no_mail(servers, pair, tmp_path):
    primary, standby = pair
    site = make_site(servers, tmp_path / "home")
    ports = f"{primary.postgres.port},{standby.postgres.port}"
    site.database_url = (
        f"postgresql://mailkeep:{DATABASE_PASSWORD}@/mail"
        f"?host=127.0.0.1,127.0.0.1&port={ports}&target_session_attrs=read-write"
    )
    site.environment["DATABASE_URL"] = site.database_url
    prepare_database(primary.url)
    site.execute(
        "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
        " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
        " VALUES (%s, %s, %s, '', 0, true, 'maildir', true, true, true, false, false, now())",
        (USER, DOMAIN, encoded_password()),
    )
    node = MailNode(site)
    node.start()
    sender = Sender(site.ports["smtp"])
    sender.start()
    try:
        wait_until(lambda: len(sender.accepted) >= 20, seconds=20)

        primary.kill()
        before = len(sender.accepted)
        standby.execute("SELECT pg_promote()")
        promoted = time.monotonic()

        wait_until(lambda: len(sender.accepted) >= before + 20, seconds=40, what="mail is accepted again")
        assert time.monotonic() - promoted < 30
    finally:
        sender.stopping.set()
        sender.join(timeout=30)
        node.stop()

    [[rows]] = site.execute("SELECT count(*) FROM message")
    local, _, domain = USER.partition("@")
    maildir = site.home / "mail" / domain / local / "Maildir"
    texts = [path.read_text() for part in ("new", "cur") for path in maildir.glob(f"{part}/*")]
    stored = [int(number) for text in texts for number in re.findall(r"^Subject: number (\d+)$", text, re.MULTILINE)]
    assert set(sender.accepted) <= set(stored)
    assert sender.refused_for_good == []
    # Each has its row, too: the standby had it before the client was told.
    assert int(str(rows)) >= len(sender.accepted)
