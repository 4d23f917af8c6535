"""A PostgreSQL and a Valkey that no supervisor looks after, so a test can take them away for as long as it likes."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import psycopg

from mailadmin.appliance.embedded import EmbeddedPostgres, EmbeddedValkey, postgres_answers
from mailadmin.appliance.privilege import ServerUser, child_setup
from tests.fixtures_servers import choose_free_port, wait_until


class OutsideServer:
    """start() returns when it answers, stop() when it is gone."""

    def __init__(
        self,
        command: Callable[[], list[str]],
        answers: Callable[[], bool],
        stop_signal: signal.Signals,
        *,
        user: ServerUser | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        self._command = command
        self._answers = answers
        self._stop_signal = stop_signal
        self._user = user
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command(),
            env=self._environment,
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            preexec_fn=child_setup(self._stop_signal, self._user),
        )
        wait_until(self._answers, seconds=60, what=f"{self._command()[0]} answers")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(self._stop_signal)
            self._process.wait(60)
        self._process = None


class OutsidePostgres(OutsideServer):
    """Durable, as the appliance's own. `url` names an empty database."""

    def __init__(self, folder: Path) -> None:
        server = EmbeddedPostgres(folder / "pg", choose_free_port(), "for-this-test")
        server.initialise()
        super().__init__(
            server.command,
            lambda: postgres_answers(server.url("postgres")),
            server.stop_signal,
            user=server.user,
            environment=server.environment(),
        )
        self.url = server.url("mailkeep")
        self._maintenance_url = server.url("postgres")

    def create_database(self) -> None:
        with psycopg.connect(self._maintenance_url, autocommit=True) as conn:
            conn.execute("CREATE DATABASE mailkeep")


class OutsideValkey(OutsideServer):
    """Keeps nothing: whenever it is stopped it comes back empty."""

    def __init__(self, folder: Path) -> None:
        server = EmbeddedValkey(folder / "valkey", choose_free_port(), "for-this-test", durable=False)
        server.initialise()
        super().__init__(server.command, server.answers, server.stop_signal)
        self.url = server.url()
