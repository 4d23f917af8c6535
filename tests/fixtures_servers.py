"""One PostgreSQL and one Valkey for a test session (for each xdist worker its own), started when first asked for.

A migrated cluster is kept in pytest's cache under a digest of everything that shapes the schema, so that only the
first session after a change of migrations pays for initdb and migrate. Databases for tests are cloned from a template.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import psycopg
import pytest
import redis

from mailadmin.appliance.embedded import NOT_DURABLE, EmbeddedPostgres, EmbeddedValkey, postgres_answers
from mailadmin.appliance.privilege import ServerUser, child_setup
from tests.free_ports import choose_free_port as choose_free_port

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE = "mailkeep_template"
PASSWORD = "for-tests-only"
DATABASES_OF_VALKEY = 64


def wait_until(condition: Callable[[], object], *, seconds: float = 10.0, what: str = "") -> None:
    """Wait for a condition, never for a duration. Fails the test when the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s: {what or condition}")
        time.sleep(0.02)


class Servers:
    """Both servers of one session. Nothing runs before postgres() or valkey() is called."""

    def __init__(self, cache: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="mailkeep-test-", dir=quick_folder()))
        self.folder.chmod(0o711)
        self._postgres = EmbeddedPostgres(self.folder / "pg", choose_free_port(), PASSWORD, NOT_DURABLE)
        self._valkey = EmbeddedValkey(self.folder / "valkey", choose_free_port(), PASSWORD, durable=False)
        self._cache = cache
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._numbers = count(1)

    @property
    def planned_database_url(self) -> str:
        """Where PostgreSQL will be once it is started."""
        return self._postgres.url()

    @property
    def planned_redis_url(self) -> str:
        return self._valkey.url()

    def postgres(self) -> EmbeddedPostgres:
        """The running PostgreSQL, with the migrated template database in it."""
        if "postgres" not in self._running:
            cached = self._cache / f"mailkeep-{schema_digest()}"
            if not cached.exists():
                self._make_cluster(cached)
            if self._postgres.folder.exists():
                shutil.rmtree(self._postgres.folder)
            _copy(cached, self._postgres.folder)
            self._start_postgres()
        return self._postgres

    def valkey(self) -> EmbeddedValkey:
        """The running Valkey."""
        if "valkey" not in self._running:
            self._valkey.initialise()
            self._start("valkey", self._valkey.command(), self._valkey.stop_signal)
            wait_until(self._valkey.answers, what="Valkey answers")
        return self._valkey

    def create_database(self) -> str:
        """A new database with the current schema. Returns its URL."""
        server, name = self.postgres(), f"test_{os.getpid()}_{next(self._numbers)}"
        self._execute(f"CREATE DATABASE {name} TEMPLATE {TEMPLATE} STRATEGY FILE_COPY")
        return server.url(name)

    def drop_database(self, url: str) -> None:
        self._execute(f"DROP DATABASE IF EXISTS {url.rpartition('/')[2]} WITH (FORCE)")

    def empty_valkey_database(self) -> str:
        """The URL of a database number of our own, empty."""
        url = self.valkey().url(next(self._numbers) % (DATABASES_OF_VALKEY - 1) + 1)
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url

    def stop(self) -> None:
        for name in list(self._running):
            self._stop(name)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _make_cluster(self, target: Path) -> None:
        self._postgres.initialise(durable=False)
        self._start_postgres()
        try:
            self._execute(f"CREATE DATABASE {TEMPLATE}")
            self._execute("CREATE DATABASE mailkeep")
            migrate(self._postgres.url(TEMPLATE))
        finally:
            # Without a template nothing may run on: the next test would find a server without a schema.
            self._stop("postgres")
        self._cache.mkdir(parents=True, exist_ok=True)
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        _copy(self._postgres.folder, unfinished)
        try:
            unfinished.rename(target)
        except OSError:
            # Another worker was quicker; its cluster is as good as ours.
            shutil.rmtree(unfinished)

    def _start_postgres(self) -> None:
        server = self._postgres
        self._start("postgres", server.command(), server.stop_signal, server.user, server.environment())
        wait_until(lambda: postgres_answers(server.url("postgres")), seconds=30, what="PostgreSQL answers")

    def _start(
        self,
        name: str,
        command: list[str],
        stop_signal: int,
        user: ServerUser | None = None,
        environment: dict[str, str] | None = None,
    ) -> None:
        with open(self.folder / f"{name}.log", "ab") as log:
            self._running[name] = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,
                preexec_fn=child_setup(stop_signal, user),
                cwd="/",
            )

    def _stop(self, name: str) -> None:
        process = self._running.pop(name)
        process.send_signal(self._postgres.stop_signal if name == "postgres" else self._valkey.stop_signal)
        process.wait(timeout=30)

    def _execute(self, statement: str) -> None:
        with psycopg.connect(self._postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(statement)


def migrate(database_url: str) -> None:
    """Bring a database to the current schema, in a process of its own."""
    result = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--skip-checks", "--verbosity", "0"],
        env={**os.environ, "DATABASE_URL": database_url},
        capture_output=True,
        text=True,
        check=False,
    )
    if result.returncode != 0:
        raise RuntimeError(f"migrate failed:\n{result.stdout}{result.stderr}")


def schema_digest() -> str:
    """Changes whenever the schema of a new database might."""
    digest = hashlib.sha256()
    sources = [*ROOT.glob("mailadmin/*/migrations/*"), *ROOT.glob("mailadmin/**/*.sql")]
    sources += [
        ROOT / "requirements.txt",
        ROOT / "mailadmin/appliance/embedded.py",
        ROOT / "mailadmin/settings.py",
    ]
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(str(path.relative_to(ROOT)).encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def quick_folder() -> str | None:
    """Memory, where there is enough of it: a database is then cloned in 15 ms instead of 400."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30 else None


def _copy(source: Path, target: Path) -> None:
    # cp keeps the owner, which shutil does not, and shares blocks where the file system can.
    subprocess.run(["cp", "-a", "--reflink=auto", str(source), str(target)], check=True)


SERVERS = pytest.StashKey[Servers]()


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Plan the servers of this session; they end with it."""
    config.stash[SERVERS] = servers = Servers(config.rootpath / ".pytest_cache" / "mailkeep")
    config.add_cleanup(servers.stop)


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Servers:
    """Both servers of this session, started lazily."""
    return pytestconfig.stash[SERVERS]


@pytest.fixture
def database_url(servers: Servers) -> Iterator[str]:
    """A fresh, migrated database of this test's own."""
    url = servers.create_database()
    yield url
    servers.drop_database(url)


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """An empty database of Valkey. Channels are shared by all numbers, but no two tests of a worker overlap."""
    return servers.empty_valkey_database()


@pytest.fixture
def mail_home(tmp_path: Path) -> Path:
    """A $MAIL_HOME with the folders of a fresh one; spool and mail on one file system."""
    home = tmp_path / "home"
    for folder in (
        "mail",
        "spool/incoming",
        "spool/queue",
        "maildrop/tmp",
        "maildrop/new",
        "log",
        "tls",
        "run",
    ):
        (home / folder).mkdir(parents=True)
    (home / "secret_key").write_text("a-key-for-tests-that-is-long-enough-to-be-accepted-everywhere")
    return home


@pytest.fixture
def free_port() -> Callable[[], int]:
    """Call it for a port that nobody listens on."""
    return choose_free_port
