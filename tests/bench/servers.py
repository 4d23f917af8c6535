"""The two servers that are measured: each on a fresh directory of the same real disk, stopped by its own process ids.

`Appliance` is this project with its default durability, seeded through its REST API as an administrator would do it:
accounts user0..199@bench.test with the password `secret`, a transport rule that sends relay.test to the sink on port
3526, and `plaintext_auth` = mynetworks, because the load generator speaks no TLS. `Peer` is Debian's Postfix + Dovecot
(peer.py). `pids` names everything whose work counts: for the appliance the supervisor, below which all programs,
PostgreSQL and Valkey run; `uncounted` finds what a process tree from there would miss.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mailadmin.appliance.privilege import child_setup
from tests.bench.loads.imap_client import imap_close, imap_open
from tests.bench.loads.meter import Meter
from tests.bench.loads.options import sending_options

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
DOMAIN, RELAY_DOMAIN = "bench.test", "relay.test"
USERS, PASSWORD = 200, "secret"
LOGINS_AT_ONCE = 50
SINK = "[127.0.0.1]:3526"
PORT_NAMES = (
    *("SMTP_PORT", "SUBMISSION_PORT", "SUBMISSIONS_PORT", "IMAP_PORT", "IMAPS_PORT", "POP3_PORT", "POP3S_PORT"),
    *("WEB_PORT", "PG_PORT", "REDIS_PORT"),
)
# What of our own environment would lead the appliance to somebody else's servers.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "MAIL_HOME", "SECRET_KEY", "MAIL_DOMAIN", "PUBLIC_URL", "STATIC_ROOT")
MEMORY_FILE_SYSTEMS = {"tmpfs", "ramfs"}


class ServerError(Exception):
    """A server does not start, does not answer, or refuses what it is told."""


@contextmanager
def bench_folder(parent: Path = Path("/var/tmp")) -> Iterator[Path]:
    """A fresh directory on a real disk, removed afterwards. Raises ServerError where fsync would cost nothing.

    One for everything that is measured: ext4 does not use the inode of a removed file again for one to six minutes and
    looks at each of them before it creates a file, so after a large folder was removed, new files cost many times what
    they do otherwise.
    """
    if file_system(parent) in MEMORY_FILE_SYSTEMS:
        raise ServerError(f"{parent} lies in memory: figures from there mean nothing. Give another with --parent")
    folder = Path(tempfile.mkdtemp(prefix="mkbench", dir=parent))
    folder.chmod(0o755)  # PostgreSQL and Postfix reach their data as other users
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def file_system(path: Path) -> str:
    """The type of the file system `path` lies on."""
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    holding = [(len(point), kind) for point, kind in mounts if path.resolve().is_relative_to(point)]
    return max(holding)[1]


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, by chance from below the range from which the kernel takes those of clients."""
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    found: list[int] = []
    for port in random.sample(range(lowest - 20_000, lowest), 2_000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        found.append(port)
        if len(found) == count:
            return found
    raise ServerError("no free ports")


class Api:
    """The REST API of a running appliance, on one connection that is kept."""

    def __init__(self, port: int, token: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """One request below /api/v1/. Raises ServerError unless it succeeds."""
        text = None if body is None else json.dumps(body)
        answer, content = ask(self._connection, method, f"/api/v1/{path}", text, self._headers)
        if answer.status >= 300:
            raise ServerError(f"{method} {path}: {answer.status} {content.decode(errors='replace')}")
        return json.loads(content) if content else None


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: str | None, headers: dict[str, str]
) -> tuple[http.client.HTTPResponse, bytes]:
    """One request on a kept connection, on a new one if the server has closed it meanwhile."""
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
    except (http.client.RemoteDisconnected, ConnectionError):
        connection.close()
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
    return answer, answer.read()


def seed(api: Api, users: int = USERS) -> None:
    """What the tools expect to find."""
    # Thousands of connections to a few accounts are what is measured.
    api("PATCH", "settings/", {"plaintext_auth": "mynetworks", "account_connection_limit": 0})
    api("PUT", f"domains/{DOMAIN}/", {"name": DOMAIN, "kind": "local"})
    for number in range(users):
        address = f"user{number}@{DOMAIN}"
        body = {"address": address, "password": PASSWORD, "skip_password_validation": True}
        api("PUT", f"accounts/{address}/", body)
    api("PUT", f"domains/{RELAY_DOMAIN}/", {"name": RELAY_DOMAIN, "kind": "relay"})
    api("POST", "transport-rules/", {"match": RELAY_DOMAIN, "relayhost": SINK})


class Appliance:
    """One appliance of ours."""

    label = "Mailkeep"

    def __init__(self, folder: Path, *, users: int = USERS, **environment: str) -> None:
        self.folder, self.home, self._users = folder, folder / "home", users
        self.ports = dict(zip(PORT_NAMES, free_ports(len(PORT_NAMES)), strict=True))
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        ports = {name: str(port) for name, port in self.ports.items()}
        self.environment = {**inherited, **ports, "MAIL_HOME": str(self.home), **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._token = ""

    def start(self) -> None:
        """Start on a fresh directory, wait until everything answers, seed, and check that all of it is counted."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(mode=0o755, parents=True)
        self._token = ""
        with (self.folder / "appliance.log").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "manage.py", "appliance"],
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=child_setup(signal.SIGTERM),  # it ends with us, however we end
            )
        self.wait()
        seed(self.api(), self._users)
        if missed := uncounted(self.home, self.pids()):
            raise ServerError(f"processes outside the tree that is measured: {missed}")
        warm_up(self.options(), self._users)

    def wait(self, seconds: float = 120.0) -> None:
        """Until /healthz says that everything answers. Raises ServerError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_alive():
            if self._health() == 200:
                return
            time.sleep(0.2)
        raise ServerError(f"the appliance does not answer:\n{self.log_end()}")

    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Stop it as Ctrl-C would."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(90)

    def pids(self) -> list[int]:
        """The supervisor, and by name the servers that do the work for it."""
        assert self._process is not None
        state = json.loads((self.home / "run" / "appliance.json").read_text())
        return [self._process.pid, *(child["pid"] for child in state["processes"] if child["pid"])]

    def options(self) -> list[str]:
        """For load.py."""
        ports = [f"--{name}-port={self.ports[f'{name.upper()}_PORT']}" for name in ("smtp", "imap", "pop3")]
        return [*ports, *(f"--server-pid={pid}" for pid in self.pids())]

    def api(self) -> Api:
        """The REST API with a token that may do everything."""
        if not self._token:
            self._token = self.manage("create_api_token", "bench", "--scopes", "admin")
        return Api(self.ports["WEB_PORT"], self._token)

    @property
    def admin_password(self) -> str:
        return (self.home / "admin_password").read_text().strip()

    @property
    def database_url(self) -> str:
        lines = (self.home / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)["DATABASE_URL"]

    def manage(self, *words: str) -> str:
        """What a command of manage.py prints. Raises ServerError."""
        done = subprocess.run(
            [sys.executable, "manage.py", *words], cwd=ROOT, env=self.environment, capture_output=True, text=True
        )
        if done.returncode:
            raise ServerError(f"manage.py {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def log_end(self) -> str:
        """The last lines of what it printed."""
        log = self.folder / "appliance.log"
        return "\n".join(log.read_text(errors="replace").splitlines()[-25:]) if log.exists() else ""

    def _health(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["WEB_PORT"], timeout=5)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


class Peer:
    """Debian's Postfix and Dovecot, installed when they are missing."""

    label = "Postfix + Dovecot"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = ("smtp", "imap", "pop3", "lmtp")
        self._ports = [f"--{name}-port={port}" for name, port in zip(names, free_ports(4), strict=True)]

    def start(self) -> None:
        """Start both. Raises ServerError."""
        self._call("up", f"--users={USERS}", *self._ports)
        warm_up(self.options(), USERS)

    def wait(self) -> None:
        """They answer at once, or not at all."""

    def is_alive(self) -> bool:
        return (self.folder / "ports.json").exists() and all(self._info()["pids"].values())

    def stop(self) -> None:
        """Stop both."""
        if (self.folder / "ports.json").exists():
            self._call("down", "--keep")

    def pids(self) -> list[int]:
        return [pid for pid in self._info()["pids"].values() if pid]

    def options(self) -> list[str]:
        """For load.py."""
        return self._call("args").split()

    def log_end(self) -> str:
        """The last lines of both logs."""
        logs = [self.folder / "postfix/log/mail.log", self.folder / "dovecot/dovecot.log"]
        return "\n".join(line for log in logs if log.exists() for line in log.read_text().splitlines()[-10:])

    def _info(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._call("info"))
        return found

    def _call(self, action: str, *words: str) -> str:
        command = [sys.executable, str(HERE / "peer.py"), action, "--dir", str(self.folder), *words]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise ServerError(f"peer.py {action}: {done.stderr.strip()}")
        return done.stdout


def warm_up(options: list[str], users: int) -> None:
    """Everybody logs in twice, many at once: what is measured is not the first check of a password or the growth of a
    pool, on either side.
    """
    args = load_arguments(options, users=users)

    async def everybody() -> None:
        limit = asyncio.Semaphore(LOGINS_AT_ONCE)

        async def one(number: int) -> None:
            async with limit:
                await imap_close(await imap_open(args, number))

        await asyncio.gather(*(one(number) for number in [*range(users), *range(users)]))

    asyncio.run(everybody())


def load_arguments(options: list[str], **wanted: Any) -> Namespace:
    """What load.py's functions are called with: its own options, parsed, and more by name."""
    args = sending_options().parse_args(options)
    for name, value in {"loop_name": "uvloop", **wanted}.items():
        setattr(args, name, value)
    return args


def uncounted(home: Path, roots: list[int]) -> list[str]:
    """Processes that belong to the appliance in `home` but do not descend from `roots`, as "pid command"."""
    counted = Meter(roots).tree()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        if pid not in counted and pid != os.getpid() and _belongs_to(folder, home):
            found.append(f"{pid} {_read(folder / 'cmdline').replace(chr(0), ' ').strip()}")
    return found


def _belongs_to(process: Path, home: Path) -> bool:
    try:
        below = Path(os.readlink(process / "cwd")).is_relative_to(home)
    except OSError:
        below = False
    return below or f"MAIL_HOME={home}\0" in _read(process / "environ") or str(home) in _read(process / "cmdline")


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
