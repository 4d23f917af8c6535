"""One node of a larger layout: smtpd and accessd as processes of their own, with ports for clients and for balancers.

Several may share a database, a Valkey and a mail volume. Each has an address of its own, so all have the same ports.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from tests.fakes.certificates import TestAuthority
from tests.fixtures_servers import ROOT, Servers, choose_free_port, wait_until

SERVICES = ("smtp", "submission", "submissions", "imap", "imaps", "pop3", "pop3s")
PROGRAMS = ("smtpd.service", "accessd.service")
CERTIFIED_FOR = "127.0.0.1"


@dataclass
class Site:
    """What the nodes share."""

    home: Path
    database_url: str
    redis_url: str
    authority: TestAuthority
    environment: dict[str, str]
    ports: dict[str, int]
    proxy_ports: dict[str, int]

    @property
    def maillog(self) -> str:
        path = self.home / "log" / "maillog"
        return path.read_text() if path.exists() else ""

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def change(self, statement: str, values: tuple[object, ...] = ()) -> None:
        """Change the configuration, and wait until every process has it."""
        self.execute(statement, values)
        behind = "SELECT 1 FROM process_status, config_generation g WHERE process_status.generation < g.generation"
        wait_until(lambda: not self.execute(behind), seconds=10, what="all processes run the newest configuration")

    def logged(self, program: str) -> str:
        return "".join(path.read_text() for path in sorted((self.home / "log").glob(f"*{program}*.err")))


def make_site(servers: Servers, home: Path) -> Site:
    for name in ("mail", "log", "tls", "spool/incoming", "spool/queue", "maildrop/new", "maildrop/tmp"):
        (home / name).mkdir(parents=True)
    authority = TestAuthority(home / "tls")
    certificate, key = authority.issue(CERTIFIED_FOR)
    url, redis_url = servers.create_database(), servers.empty_valkey_database()
    ports = {service: choose_free_port() for service in SERVICES}
    proxy_ports = {service: choose_free_port() for service in SERVICES}
    environment = {
        **os.environ,
        **{f"{service.upper()}_PORT": str(port) for service, port in ports.items()},
        **{f"{service.upper()}_PROXY_PORT": str(port) for service, port in proxy_ports.items()},
        "MAIL_HOME": str(home),
        "DATABASE_URL": url,
        "REDIS_URL": redis_url,
        "TLS_CERT": str(certificate),
        "TLS_KEY": str(key),
    }
    return Site(home, url, redis_url, authority, environment, ports, proxy_ports)


@dataclass
class MailNode:
    """The processes of one node."""

    site: Site
    address: str = "127.0.0.1"
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self) -> None:
        """Start both programs and wait until every port is open."""
        environment = {**self.site.environment, "LISTEN_ADDRESS": self.address}
        for program in PROGRAMS:
            with open(self.site.home / "log" / f"{self.address}.{program}.err", "ab") as log:
                self.processes[program] = subprocess.Popen(
                    [sys.executable, "-m", program, "--worker", "1"], cwd=ROOT, env=environment, stdout=log, stderr=log
                )
        ports = [*self.site.ports.values(), *self.site.proxy_ports.values()]
        wait_until(lambda: all(self._listens(port) for port in ports), seconds=40, what=f"{self.address} listens")

    def _listens(self, port: int) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex((self.address, port)) == 0

    def kill(self) -> None:
        """As when the machine loses its power."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: int) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(number)
        for process in self.processes.values():
            process.wait(timeout=20)
