"""A Celery worker and a scheduler as processes of their own, started as the appliance starts them."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

from mailadmin.appliance.processes import celery_command

ROOT = Path(__file__).resolve().parents[2]


class QueueProcesses:
    """`start` either; `kill` is -9 for a whole process group, as a crash; `stop` is SIGTERM and waits."""

    def __init__(self, database_url: str, redis_url: str, home: Path, workers: int = 2) -> None:
        self._home = home
        self._workers = workers
        self._environment = {
            **os.environ,
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "MAIL_HOME": str(home),
            "SECRET_KEY": "secret of the test",
            "QUEUE_WORKERS": str(workers),
            "DNS_SERVER": "127.0.0.1:1",
            "PYTHONPATH": str(ROOT),
        }
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """ "worker" or "scheduler"."""
        with open(self._home / f"{name}.output", "ab") as output:
            self.processes[name] = subprocess.Popen(
                self.command(name),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                cwd=ROOT,
                start_new_session=True,
            )

    def command(self, name: str) -> list[str]:
        """As the appliance starts it."""
        if name == "worker":
            return list(celery_command(self._workers))
        return [sys.executable, str(ROOT / "manage.py"), "run_scheduler"]

    def stop(self, name: str) -> int:
        process = self.processes.pop(name)
        process.send_signal(signal.SIGTERM)
        return process.wait(20)

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(10)

    def children(self, name: str) -> list[int]:
        """Process ids of the pool."""
        pid = self.processes[name].pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def output(self, name: str) -> str:
        return (self._home / f"{name}.output").read_text(errors="replace")

    def close(self) -> None:
        """At the end of a test: nothing is left, and nobody waits for a clean end, which tests ask of `stop`."""
        for name in list(self.processes):
            with contextlib.suppress(ProcessLookupError):
                self.kill(name)
