"""accessd as a process of its own, on a fresh database, and a client that shows every octet."""

import base64
import hashlib
import itertools
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest

from tests.fakes.certificates import TestAuthority
from tests.fixtures_servers import ROOT, Servers, choose_free_port, wait_until

PASSWORD = "correct horse"
DOMAIN = "imap.test"
_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")
_numbers = itertools.count(1)


@dataclass
class Answer:
    """What came for one command: untagged responses with their literals, and the tagged line."""

    untagged: list[bytes]
    tagged: bytes

    @property
    def status(self) -> str:
        return self.tagged.split(b" ")[1].decode()

    @property
    def text(self) -> bytes:
        return b"".join(self.untagged)


@dataclass
class RawClient:
    """A socket and just enough IMAP to know where an answer ends."""

    socket: socket.socket
    greeting: bytes = b""
    _buffer: bytes = b""
    _tags: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def _more(self) -> None:
        data = self.socket.recv(1 << 20)
        if not data:
            raise ConnectionError(f"closed by the server after {self._buffer[-200:]!r}")
        self._buffer += data

    def has_line(self) -> bool:
        """Has a line been received that nobody has read?"""
        return b"\r\n" in self._buffer

    def read_plain_line(self) -> bytes:
        """One line without its CRLF, whatever it is."""
        while b"\r\n" not in self._buffer:
            self._more()
        line, _, self._buffer = self._buffer.partition(b"\r\n")
        return line

    def read_octets(self, size: int) -> bytes:
        """As many as a literal has."""
        while len(self._buffer) < size:
            self._more()
        octets, self._buffer = self._buffer[:size], self._buffer[size:]
        return octets

    def read_line(self) -> bytes:
        """One response with the literals in it."""
        whole = b""
        while True:
            whole += self.read_plain_line() + b"\r\n"
            announced = _LITERAL.search(whole)
            if announced is None:
                return whole
            size = int(announced.group(1))
            while len(self._buffer) < size:
                self._more()
            whole, self._buffer = whole + self._buffer[:size], self._buffer[size:]

    def read_answer(self, tag: bytes) -> Answer:
        untagged = []
        while not (line := self.read_line()).startswith(tag + b" "):
            untagged.append(line)
        return Answer(untagged, line)

    def tag(self) -> bytes:
        return b"t%d" % next(self._tags)

    def command(self, text: bytes) -> Answer:
        tag = self.tag()
        self.send(tag + b" " + text + b"\r\n")
        return self.read_answer(tag)

    def ok(self, text: bytes) -> Answer:
        answer = self.command(text)
        assert answer.status == "OK", answer.tagged
        return answer

    def append(self, mailbox: bytes, message: bytes, arguments: bytes = b"") -> Answer:
        arguments = arguments + b" " if arguments else b""
        return self.command(b"APPEND %b %b{%d+}\r\n%b" % (mailbox, arguments, len(message), message))

    def close(self) -> None:
        self.socket.close()


@dataclass
class ImapServer:
    """Where it listens, and what is behind it."""

    port: int
    tls_port: int
    database_url: str
    redis_url: str
    home: Path
    authority: TestAuthority
    process: subprocess.Popen[bytes]
    pop3_port: int
    clients: list[RawClient] = field(default_factory=list)

    def client_context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority.ca_file))

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

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> None:
        with psycopg.connect(self.database_url, autocommit=True) as conn:
            conn.execute(statement, values)

    def connect(self, *, tls: bool = False) -> RawClient:
        plain = socket.create_connection(("127.0.0.1", self.tls_port if tls else self.port), timeout=10)
        client = RawClient(self.client_context().wrap_socket(plain, server_hostname="127.0.0.1") if tls else plain)
        self.clients.append(client)
        client.greeting = client.read_line()
        return client

    def hang_up(self) -> None:
        for client in self.clients:
            client.close()
        self.clients.clear()

    def login(self, address: str) -> RawClient:
        client = self.connect()
        client.ok(f'LOGIN {address} "{PASSWORD}"'.encode())
        return client

    def reports(self) -> list[tuple[str, int, list[str]]]:
        with psycopg.connect(self.database_url) as conn:
            return conn.execute("SELECT role, pid, listening FROM process_status").fetchall()

    def renew_certificate(self) -> None:
        self.authority.issue("127.0.0.1")

    def maildir(self, address: str) -> Path:
        local, _, domain = address.partition("@")
        return self.home / "mail" / domain / local / "Maildir"


def encoded_password() -> str:
    digest = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 1)
    return f"pbkdf2_sha256$1$salt${base64.b64encode(digest).decode()}"


@pytest.fixture(scope="module", name="imap_process")
def imap_process_of_module(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ImapServer]:
    """One accessd for the tests of a module."""
    yield from serve(servers, tmp_path_factory.mktemp("home"))


@pytest.fixture(name="imap")
def imap_server(imap_process: ImapServer) -> Iterator[ImapServer]:
    """The module's accessd; each test takes accounts of its own and is hung up on at its end."""
    yield imap_process
    imap_process.hang_up()


@pytest.fixture(name="second_imap")
def second_imap_server(servers: Servers, tmp_path: Path) -> Iterator[ImapServer]:
    """An accessd of one test's own, which may do with it what it likes."""
    yield from serve(servers, tmp_path)


def serve(servers: Servers, home: Path) -> Iterator[ImapServer]:
    prepare_home(home)
    url, redis_url = servers.create_database(), servers.empty_valkey_database()
    prepare_database(url)
    server = start(home, url, redis_url)
    yield server
    server.hang_up()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(timeout=15) == 0
    servers.drop_database(url)


def prepare_home(home: Path) -> None:
    for folder in ("mail", "log", "tls"):
        (home / folder).mkdir()


def prepare_database(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as conn:
        conn.execute("UPDATE server_settings SET plaintext_auth = 'mynetworks'")
        conn.execute("INSERT INTO my_network VALUES (DEFAULT, '127.0.0.0/8', '', true, '') ON CONFLICT DO NOTHING")
        conn.execute(
            "INSERT INTO domain (name, kind, enabled, description, created_at) VALUES (%s, 'local', true, '', now())",
            (DOMAIN,),
        )


def start(home: Path, database_url: str, redis_url: str) -> ImapServer:
    authority = TestAuthority(home / "tls")
    certificate, key = authority.issue("127.0.0.1")
    port, tls_port, pop3_port = choose_free_port(), choose_free_port(), choose_free_port()
    environment = {
        **os.environ,
        "MAIL_HOME": str(home),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "TLS_CERT": str(certificate),
        "TLS_KEY": str(key),
        "IMAP_PORT": str(port),
        "IMAPS_PORT": str(tls_port),
        "POP3_PORT": str(pop3_port),
        "POP3S_PORT": "0",
    }
    with open(home / "log" / "accessd", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "accessd.service", "--worker", "0"],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
        )
    wait_until(lambda: listens(tls_port) and process.poll() is None, seconds=30, what="accessd listens")
    return ImapServer(port, tls_port, database_url, redis_url, home, authority, process, pop3_port)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
