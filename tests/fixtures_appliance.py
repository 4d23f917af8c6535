"""A whole running appliance on free ports, started as a person starts it: `manage.py appliance`.

`appliance` is shared by the tests of a module. `make_appliance(NAME=value, ...)` starts another one with its own
environment. Both end with the module, and with them all of their processes.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from mailadmin.appliance.privilege import child_setup
from tests.fixtures_servers import ROOT, choose_free_port, quick_folder, wait_until

PORT_VARIABLES = (
    "SMTP_PORT",
    "SUBMISSION_PORT",
    "SUBMISSIONS_PORT",
    "IMAP_PORT",
    "IMAPS_PORT",
    "POP3_PORT",
    "POP3S_PORT",
    "WEB_PORT",
    "PG_PORT",
    "REDIS_PORT",
)
# What of this process's environment an appliance must not inherit: it makes its own servers.
NOT_INHERITED = ("DATABASE_URL", "REDIS_URL", "MAIL_HOME", "SECRET_KEY", "PYTEST_CURRENT_TEST")
DOMAIN = "mailkeep.test"
# Collected and compressed once for all appliances of all test runs.
STATIC_ROOT = ROOT / ".pytest_cache" / "mailkeep" / "static"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the REST API said."""

    status: int
    body: Any


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports by protocol."""

    smtp: int
    submission: int
    submissions: int
    imap: int
    imaps: int
    pop3: int
    pop3s: int
    web: int
    pg: int
    redis: int


@dataclass(slots=True)
class Appliance:
    """One appliance: start() and stop() may be called any number of times, what it keeps stays."""

    home: Path
    extra: dict[str, str] = field(default_factory=dict)
    host: str = "127.0.0.1"
    admin: str = f"admin@{DOMAIN}"
    _ports: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _token: str = ""

    def __post_init__(self) -> None:
        self._ports = {name: choose_free_port() for name in PORT_VARIABLES}

    @property
    def ports(self) -> Ports:
        return Ports(**{name.removesuffix("_PORT").lower(): port for name, port in self._ports.items()})

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.ports.web}"

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        ports = {name: str(port) for name, port in self._ports.items()}
        own = {"MAIL_HOME": str(self.home), "MAIL_DOMAIN": DOMAIN, "STATIC_ROOT": str(STATIC_ROOT)}
        return {**inherited, **ports, **own, **self.extra}

    @property
    def admin_password(self) -> str:
        return (self.home / "admin_password").read_text().strip()

    @property
    def maillog(self) -> Path:
        return self.home / "log" / "maillog"

    @property
    def output(self) -> str:
        """Everything that the supervisor has printed."""
        path = self.home.parent / f"{self.home.name}.output"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def database_url(self) -> str:
        return self._told("DATABASE_URL")

    @property
    def redis_url(self) -> str:
        return self._told("REDIS_URL")

    def start(self, *, seconds: float = 90.0) -> None:
        """Start it and wait until everything answers."""
        self.launch()
        wait_until(lambda: self._ended() or "Mailkeep is up" in self.output, seconds=seconds, what=self.output)
        if self._ended():
            pytest.fail(f"the appliance ended:\n{self.output}")
        if "not everything answers" in self.output:
            pytest.fail(f"the appliance is not well:\n{self.output}")

    def launch(self) -> None:
        """Start it and do not wait."""
        if self._process is not None:
            # Ended by somebody else, such as `manage.py appliance stop`.
            self._process.wait(timeout=90)
        with open(self.home.parent / f"{self.home.name}.output", "wb") as output:
            self._process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "appliance"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self.environment,
                cwd=ROOT,
                start_new_session=True,
                # A test run that is killed takes its appliances along.
                preexec_fn=child_setup(signal.SIGTERM),
            )

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Stop it as Ctrl-C or systemd would, and wait. Returns the exit code."""
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(timeout=90)

    def status(self) -> dict[str, Any]:
        """What `manage.py appliance status --json` says."""
        result = self.manage("appliance", "status", "--json", check=False)
        found: dict[str, Any] = json.loads(result.stdout)
        return found

    def pids(self, role: str | None = None) -> dict[str, int]:
        """The running children by name ("postgres", "smtpd", or "smtpd.2" where there are several)."""
        return {
            child["name"]: child["pid"]
            for child in self.children()
            if child["pid"] and (role is None or child["role"] == role)
        }

    def children(self) -> list[dict[str, Any]]:
        """What the supervisor has written of its children: much quicker to ask than status()."""
        state: dict[str, Any] = json.loads((self.home / "run" / "appliance.json").read_text())
        return list(state["processes"])

    def manage(self, *arguments: str, stdin: str | None = None, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a manage.py command as a person would who knows only MAIL_HOME."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=check,
            env=self.environment,
            cwd=ROOT,
            timeout=60,
        )

    def api(self, method: str, path: str, json: Any = None) -> Answer:
        """One request to /api/v1/ with a token that may do everything, e.g. api("PUT", "domains/x.test/", {...})."""
        return self.api_as(self.token, method, path, json)

    def api_as(self, token: str, method: str, path: str, body: Any = None) -> Answer:
        """The same with another token."""
        request = urllib.request.Request(
            f"{self.url}/api/v1/{path.lstrip('/')}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return Answer(answer.status, _decode(answer.read()))
        except urllib.error.HTTPError as error:
            return Answer(error.code, _decode(error.read()))

    @property
    def token(self) -> str:
        if not self._token:
            self._token = self.manage("create_api_token", "tests", "--scopes", "admin").stdout.strip()
        return self._token

    def _told(self, name: str) -> str:
        lines = (self.home / "environment").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)[name]

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None


def _decode(text: bytes) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text.decode(errors="replace")


@pytest.fixture(scope="module")
def make_appliance() -> Iterator[Callable[..., Appliance]]:
    """Start appliances with an environment of their own: make_appliance(DNS_SERVER="127.0.0.1:5353")."""
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-appliance-", dir=quick_folder()))
    # The unprivileged user of PostgreSQL has to reach its data below.
    folder.chmod(0o711)
    made: list[Appliance] = []

    def make(**environment: str) -> Appliance:
        appliance = Appliance(folder / f"home{len(made) + 1}", environment)
        made.append(appliance)
        appliance.start()
        return appliance

    yield make
    for appliance in made:
        appliance.stop()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def appliance(make_appliance: Callable[..., Appliance]) -> Appliance:
    """A running appliance, shared by the tests of a module."""
    return make_appliance()
