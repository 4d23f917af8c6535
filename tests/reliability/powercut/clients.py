"""What real clients see after a power cut: accessd is started on a state as a machine would find it, and asked."""

from __future__ import annotations

import os
import poplib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from mailcore.delivery.recovery import recover_home
from tests.fakes.certificates import TestAuthority
from tests.fakes.fetch_everything import fetch_everything
from tests.fakes.mail_senders import trusting
from tests.fixtures_servers import ROOT, choose_free_port, wait_until
from tests.integration.imap_server import PASSWORD, encoded_password, listens
from tests.reliability.powercut.database import dump, restore
from tests.reliability.powercut.messages import tag_of
from tests.reliability.powercut.replay import State
from tests.reliability.powercut.survival import materialise


@dataclass(frozen=True, slots=True)
class AccessServer:
    """An accessd of this state's own."""

    imaps: int
    pop3s: int

    def by_imap(self, address: str, mailbox: str) -> list[str | None]:
        """Which messages there are; None for one that is not whole."""
        return [tag_of(text) for _, text in fetch_everything(self.imaps, address, PASSWORD, mailbox)]

    def by_pop3(self, address: str) -> list[str | None]:
        client = poplib.POP3_SSL("127.0.0.1", self.pop3s, context=trusting(), timeout=30)
        client.user(address)
        client.pass_(PASSWORD)
        count, _ = client.stat()
        texts = [b"\r\n".join(client.retr(number)[1]) + b"\r\n" for number in range(1, count + 1)]
        client.quit()
        return list(map(tag_of, texts))


@contextmanager
def restarted(state: State, home: Path, database_url: str, redis_url: str) -> Iterator[AccessServer]:
    """The machine comes up again: database and disk as the cut left them, the journal, then accessd."""
    home.mkdir()
    materialise(state.tree, home)
    with psycopg.connect(database_url, autocommit=True) as conn, conn.transaction():
        restore(conn, state.version.dump, dump(conn))
        conn.execute("UPDATE account SET password = %s", [encoded_password()])
    recover_home(database_url, home)
    for folder in ("log", "tls"):
        (home / folder).mkdir()
    server = AccessServer(choose_free_port(), choose_free_port())
    with open(home / "log" / "accessd", "wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "accessd.service", "--worker", "0"],
            cwd=ROOT,
            env={**os.environ, **_environment(home, database_url, redis_url, server)},
            stdout=log,
            stderr=log,
        )
    try:
        wait_until(lambda: listens(server.imaps) and listens(server.pop3s), seconds=30, what="accessd listens")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=15)


def _environment(home: Path, database_url: str, redis_url: str, server: AccessServer) -> dict[str, str]:
    certificate, key = TestAuthority(home / "tls").issue("127.0.0.1")
    return {
        "MAIL_HOME": str(home),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "TLS_CERT": str(certificate),
        "TLS_KEY": str(key),
        "IMAP_PORT": "0",
        "POP3_PORT": "0",
        "IMAPS_PORT": str(server.imaps),
        "POP3S_PORT": str(server.pop3s),
    }
