"""smtpd as a process of its own, on a fresh database, and a client that shows every octet.

127.0.0.1 is in mynetworks, 127.0.0.2 is a stranger.
"""

import base64
import hashlib
import itertools
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.fakes.certificates import TestAuthority
from tests.fixtures_servers import ROOT, Servers, choose_free_port, wait_until

PASSWORD = "correct horse"
DOMAIN = "smtp.test"
HOME, STRANGER = "127.0.0.1", "127.0.0.2"
_numbers = itertools.count(1)


@dataclass
class RawClient:
    """A socket and just enough SMTP to know where a reply ends."""

    socket: socket.socket
    greeting: bytes = b""
    _buffer: bytes = b""

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def reply(self) -> bytes:
        """One reply, all its lines. Raises ConnectionError when the server has closed."""
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            while b"\r\n" not in self._buffer:
                data = self.socket.recv(1 << 16)
                if not data:
                    raise ConnectionError(f"closed by the server after {self._buffer!r}")
                self._buffer += data
            line, _, self._buffer = self._buffer.partition(b"\r\n")
            lines.append(line)
        return b"\n".join(lines)

    def say(self, line: bytes) -> bytes:
        self.send(line + b"\r\n")
        return self.reply()

    def code(self, line: bytes) -> bytes:
        return self.say(line)[:3]

    def is_closed(self) -> bool:
        """Whether the server has closed; waits for what is still to come."""
        try:
            return not self._buffer and not self.socket.recv(1 << 16)
        except ConnectionError:
            return True

    def close(self) -> None:
        self.socket.close()


@dataclass
class SmtpServer:
    """Where it listens, and what is behind it."""

    port: int
    submission_port: int
    submissions_port: int
    database_url: str
    home: Path
    ca_file: Path
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    clients: list[RawClient] = field(default_factory=list)

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    def account(self, store: str = "maildir", quota_bytes: int = 0) -> str:
        """A new account, with PASSWORD."""
        address = f"user{next(_numbers)}@{DOMAIN}"
        self.execute(
            "INSERT INTO account (address, domain_id, password, display_name, quota_bytes, enabled, store, allow_imap,"
            " allow_pop3, allow_smtp, is_staff, is_superuser, created_at)"
            " VALUES (%s, %s, %s, '', %s, true, %s, true, true, true, false, false, now())",
            (address, DOMAIN, encoded_password(), quota_bytes, store),
        )
        return address

    def alias(self, address: str, *targets: str) -> str:
        self.execute(
            "INSERT INTO alias (address, domain_id, targets, enabled, is_system, note)"
            " VALUES (%s, %s, %s, true, false, '')",
            (address, DOMAIN, list(targets)),
        )
        return address

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            cursor = conn.execute(statement, values)
            return cursor.fetchall() if cursor.description else []

    def connect(self, source: str = HOME, *, port: int = 0) -> RawClient:
        sock = socket.create_connection(("127.0.0.1", port or self.port), timeout=20, source_address=(source, 0))
        client = RawClient(sock)
        self.clients.append(client)
        client.greeting = client.reply()
        return client

    def hello(self, source: str = HOME, *, port: int = 0) -> RawClient:
        client = self.connect(source, port=port)
        assert client.code(b"EHLO client.test") == b"250"
        return client

    def wait_for_configuration(self) -> None:
        """Until the newest configuration is in force; before, a change may still empty the directory's cache."""
        query = (
            "SELECT 1 FROM process_status p, config_generation g WHERE p.role = 'smtpd' AND p.generation = g.generation"
        )
        wait_until(lambda: self.execute(query) != [], seconds=5, what="smtpd runs the newest configuration")

    def messages(self, address: str) -> list[bytes]:
        """The files in an account's Maildir INBOX, as they are on disk."""
        local, _, domain = address.partition("@")
        folder = self.home / "mail" / domain / local / "Maildir"
        return [path.read_bytes() for part in ("new", "cur") for path in sorted(folder.glob(f"{part}/*"))]


def encoded_password() -> str:
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1)
    return f"pbkdf2_sha256$1$salt${base64.b64encode(digest).decode()}"


def prepare_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute(
            "UPDATE server_settings SET myhostname = 'mail.smtp.test', mydomain = %s, myorigin = %s,"
            " message_size_limit = 20000000, client_connection_limit = 0",
            (DOMAIN, DOMAIN),
        )
        conn.execute("DELETE FROM my_network")
        conn.execute(
            "INSERT INTO my_network (cidr, note, enabled, open_relay_confirmation)"
            " VALUES ('127.0.0.1/32', '', true, '')"
        )
        conn.execute(
            "INSERT INTO domain (name, kind, enabled, description, created_at) VALUES (%s, 'local', true, '', now())",
            (DOMAIN,),
        )


def start(home: Path, database_url: str, redis_url: str) -> SmtpServer:
    """Start smtpd and wait until it answers."""
    authority = TestAuthority(home / "tls")
    certificate, key = authority.issue("127.0.0.1")
    ports = [choose_free_port() for _ in range(3)]
    environment = {
        **os.environ,
        "MAIL_HOME": str(home),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "TLS_CERT": str(certificate),
        "TLS_KEY": str(key),
        "SMTP_PORT": str(ports[0]),
        "SUBMISSION_PORT": str(ports[1]),
        "SUBMISSIONS_PORT": str(ports[2]),
    }
    process = launch(home, environment)
    server = SmtpServer(*ports, database_url, home, authority.ca_file, environment, process)
    wait_until(lambda: listens(ports[2]) and process.poll() is None, seconds=30, what="smtpd listens")
    return server


def launch(home: Path, environment: dict[str, str], worker: int = 1) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "smtpd.service", "--worker", str(worker)]
    with open(home / "log" / "smtpd", "ab") as log:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def make_home(folder: Path) -> Path:
    for name in ("mail", "log", "tls", "spool/incoming", "spool/queue", "maildrop/new", "maildrop/tmp"):
        (folder / name).mkdir(parents=True)
    return folder


def run_server(servers: Servers, folder: Path, *, database_port: int = 0) -> Iterator[SmtpServer]:
    """A server with a database of its own, stopped at the end; it may see the database through another port."""
    url, redis_url = servers.create_database(), servers.empty_valkey_database()
    prepare_database(url)
    seen_url = url.replace(f":{urlsplit(url).port}/", f":{database_port}/") if database_port else url
    server = start(make_home(folder), seen_url, redis_url)
    server.database_url = url
    yield server
    for client in server.clients:
        client.close()
    if server.process.poll() is None:
        server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=20) == 0
    servers.drop_database(url)


@pytest.fixture(scope="module", name="smtp")
def smtp_server(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SmtpServer]:
    """One smtpd for the tests of a module; each test takes accounts of its own."""
    yield from run_server(servers, tmp_path_factory.mktemp("home"))
