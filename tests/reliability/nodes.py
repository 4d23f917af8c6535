"""Nodes: smtpd and accessd with a name of their own, on one database, one Valkey and one mail volume."""

from __future__ import annotations

import itertools
import os
import poplib
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from django.conf import settings

from mailadmin.appliance.processes import gunicorn_command
from tests.fakes.certificates import TestAuthority
from tests.fixtures_servers import ROOT, Servers, choose_free_port, wait_until
from tests.integration.imap_server import PASSWORD, encoded_password
from tests.integration.imap_server import RawClient as ImapClient
from tests.integration.smtp_server import RawClient as SmtpClient
from tests.integration.smtp_server import make_home

DOMAIN = "nodes.test"
_numbers = itertools.count(1)


@dataclass
class Node:
    """One machine's processes."""

    name: str
    smtp_port: int
    imap_port: int
    pop3_port: int
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def imap(self, address: str, *, timeout_s: float = 60) -> ImapClient:
        """A client that has logged in."""
        client = ImapClient(socket.create_connection(("127.0.0.1", self.imap_port), timeout=timeout_s))
        client.greeting = client.read_line()
        client.ok(f'LOGIN {address} "{PASSWORD}"'.encode())
        return client

    def smtp(self, *, timeout_s: float = 60) -> SmtpClient:
        """A client that has said EHLO."""
        client = SmtpClient(socket.create_connection(("127.0.0.1", self.smtp_port), timeout=timeout_s))
        client.greeting = client.reply()
        assert client.code(b"EHLO client.test") == b"250"
        return client

    def pop3(self, address: str) -> poplib.POP3:
        client = poplib.POP3("127.0.0.1", self.pop3_port, timeout=60)
        client.user(address)
        client.pass_(PASSWORD)
        return client

    def pid(self, program: str) -> int:
        return self.processes[program].pid


@dataclass
class Cluster:
    """All nodes, and what they share."""

    home: Path
    database_url: str
    redis_url: str
    nodes: list[Node] = field(default_factory=list)
    web: subprocess.Popen[bytes] | None = None

    def account(self, store: str = "maildir") -> str:
        """A new account, with PASSWORD."""
        address = f"user{next(_numbers)}@{DOMAIN}"
        self.execute(
            "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
            " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
            " VALUES (%s, %s, %s, '', 0, true, %s, true, true, true, false, false, now())",
            (address, DOMAIN, encoded_password(), store),
        )
        return address

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def start(self, name: str, **environment: str) -> Node:
        """A node of that name; environment as its programs understand it."""
        certificate, key = self.home / "tls" / "cert.pem", self.home / "tls" / "key.pem"
        node = Node(name, choose_free_port(), choose_free_port(), choose_free_port())
        variables = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "MAIL_HOME": str(self.home),
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.redis_url,
            "TLS_CERT": str(certificate),
            "TLS_KEY": str(key),
            "SMTP_PORT": str(node.smtp_port),
            "IMAP_PORT": str(node.imap_port),
            "POP3_PORT": str(node.pop3_port),
            **dict.fromkeys(("SUBMISSION_PORT", "SUBMISSIONS_PORT", "IMAPS_PORT", "POP3S_PORT"), "0"),
            **environment,
        }
        for program in ("smtpd", "accessd"):
            node.processes[program] = self._launch(program, name, variables)
        self.nodes.append(node)
        for port in (node.smtp_port, node.imap_port, node.pop3_port):
            wait_until(lambda port=port: _listens(port) or self._ended(node), seconds=40, what=f"{name} listens")
            assert not self._ended(node), self.last_words()
        return node

    def start_web(self) -> int:
        """gunicorn as the appliance starts it, with one worker. Returns its port."""
        port = choose_free_port()
        with open(self.home / "log" / "web", "ab") as log:
            self.web = subprocess.Popen(
                gunicorn_command([f"127.0.0.1:{port}"], 1),
                cwd=ROOT,
                env={
                    **os.environ,
                    "MAIL_HOME": str(self.home),
                    "DATABASE_URL": self.database_url,
                    "REDIS_URL": self.redis_url,
                    "SECRET_KEY": settings.SECRET_KEY,
                    "SECURE_COOKIES": "0",
                },
                stdout=log,
                stderr=log,
            )
        wait_until(lambda: _listens(port) and self.web_pids(), seconds=40, what="gunicorn listens")
        return port

    def web_pids(self) -> list[int]:
        """The processes that answer."""
        assert self.web is not None
        return [int(word) for word in Path(f"/proc/{self.web.pid}/task/{self.web.pid}/children").read_text().split()]

    def _ended(self, node: Node) -> bool:
        return any(process.poll() is not None for process in node.processes.values())

    def _launch(self, program: str, name: str, variables: dict[str, str]) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name(variables.pop("NODE_SCRIPT", "named_node.py"))
        with open(self.home / "log" / f"{name}.{program}", "ab") as log:
            return subprocess.Popen(
                [sys.executable, str(script), name, f"{program}.service", "--worker", "1"],
                cwd=ROOT,
                env=variables,
                stdout=log,
                stderr=log,
            )

    def stop(self) -> None:
        """All of them; each has to end by itself."""
        processes = [process for node in self.nodes for process in node.processes.values()]
        processes += [self.web] if self.web is not None else []
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            try:
                assert process.wait(30) == 0
            finally:
                if process.poll() is None:
                    process.kill()

    def last_words(self) -> str:
        """The end of every log."""
        return "\n".join(path.read_text("utf-8", "replace")[-2000:] for path in (self.home / "log").iterdir())

    def complaints(self) -> list[str]:
        """What the programs said about errors of their own."""
        texts = [path.read_text("utf-8", "replace") for path in (self.home / "log").iterdir()]
        return re.findall(r".*(?:crashed|_failed|Traceback).*", "\n".join(texts))


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def cluster(servers: Servers, folder: Path, database_url: str = "") -> Iterator[Cluster]:
    """A cluster without nodes yet, on a database of its own if none is given."""
    home, url = make_home(folder), database_url or servers.create_database()
    authority = TestAuthority(home / "tls")
    certificate, key = authority.issue("127.0.0.1")
    for source, name in ((certificate, "cert.pem"), (key, "key.pem")):
        if source.name != name:
            (home / "tls" / name).write_bytes(source.read_bytes())
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "UPDATE server_settings SET plaintext_auth = 'mynetworks', myhostname = 'mail.nodes.test',"
            " mydomain = %s, myorigin = %s, message_size_limit = 104857600, client_connection_limit = 0",
            (DOMAIN, DOMAIN),
        )
        conn.execute("DELETE FROM my_network")
        conn.execute(
            "INSERT INTO my_network (cidr, note, enabled, open_relay_confirmation) VALUES ('127.0.0.0/8', '', true, '')"
        )
        conn.execute(
            "INSERT INTO domain (name, kind, enabled, description, created_at) VALUES (%s, 'local', true, '', now())",
            (DOMAIN,),
        )
    found = Cluster(home, url, servers.empty_valkey_database())
    try:
        yield found
    finally:
        found.stop()
        if not database_url:
            servers.drop_database(url)
