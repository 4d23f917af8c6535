#!/usr/bin/env python3
"""How long a page takes with 100,000 accounts, a million messages in the trace and 100,000 in the queue.

    tests/bench/panel_scale.py [--only WORDS] [--repeat 5] [--small] [--database URL] [--queries]

Makes a database, fills it (tests/bench/panel_seed.py), starts the panel as the appliance does (gunicorn) and asks for
every list of the panel, the API and webmail (tests/bench/panel_pages.py). Prints one JSON line for each figure:
{"row": page, "metric": "ms" | "cpu_ms" | "queries", "value": number}. `ms` is the median as a client sees it, `cpu_ms`
what gunicorn and PostgreSQL computed for it, which is the fairer figure while other programs run; `queries` counts the
statements. The commands of a shell (mailq, postconf) are measured the same way. The first request of a page does not
count.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))  # run as a script from anywhere
KEY = "a-key-for-a-benchmark-that-is-long-enough-to-be-accepted-everywhere"
# What a person runs in a shell, and how much of it counts against the same budget: the start of Python does not.
COMMANDS = (("postconf",), ("postconf", "myhostname"), ("newaliases",), ("mailq",), ("mailq", "--json"))


def main() -> None:
    """Set everything up, measure, take it down."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--only", default="", help="pages whose name contains these words")
    options.add_argument("--repeat", type=int, default=5)
    options.add_argument("--small", action="store_true", help="a few thousand rows, to try this script")
    options.add_argument("--database", default="", help="a seeded database that is there already")
    chosen = options.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mailkeep-scale-")))
        folder.chmod(0o755)
        url = chosen.database or stack.enter_context(own_database(folder, small=chosen.small))
        environment = prepare(folder, url, small=chosen.small)
        web = stack.enter_context(panel(folder, environment))
        measure(web, url, environment, chosen.only, chosen.repeat)


@contextmanager
def own_database(folder: Path, *, small: bool) -> Iterator[str]:
    """A PostgreSQL of our own with the appliance's settings, migrated and filled."""
    import psycopg

    from mailadmin.appliance.embedded import EmbeddedPostgres, postgres_answers
    from mailadmin.appliance.privilege import child_setup
    from tests.bench.panel_seed import SMALL, Sizes, seed
    from tests.fixtures_servers import choose_free_port, migrate

    server = EmbeddedPostgres(folder / "pg", choose_free_port(), "for-benchmarks-only")
    server.initialise(durable=False)
    with (folder / "postgres.log").open("wb") as log:
        process = subprocess.Popen(
            server.command(), env=server.environment(), stdout=log, stderr=log, start_new_session=True, cwd="/",
            preexec_fn=child_setup(server.stop_signal, server.user),
        )  # fmt: skip
    try:
        _until(lambda: postgres_answers(server.url("postgres")))
        server.ensure_database()
        migrate(server.url())
        with psycopg.connect(server.url(), autocommit=True) as conn:
            conn.execute("SET synchronous_commit = off")
            for step in seed(conn, SMALL if small else Sizes()):
                print(f"# {step}", file=sys.stderr)
        yield server.url()
    finally:
        process.send_signal(server.stop_signal)
        process.wait(60)


def prepare(folder: Path, url: str, *, small: bool) -> dict[str, str]:
    """A $MAIL_HOME, and the environment of the programs; this process uses Django on the same database."""
    from tests.bench.panel_seed import SMALL, Sizes, make_files

    home = folder / "home"
    for name in ("mail", "spool/incoming", "spool/queue", "maildrop/tmp", "maildrop/new", "log", "tls", "run", "lists"):
        (home / name).mkdir(parents=True)
    make_files(home / "mail/big.example/user000001/Maildir/cur", (SMALL if small else Sizes()).folder)
    environment = {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0", "MAIL_HOME": str(home), "SECRET_KEY": KEY}
    os.environ.update(environment)
    os.environ["DJANGO_SETTINGS_MODULE"] = "mailadmin.settings"
    import django

    django.setup()
    from django.conf import settings

    settings.ALLOWED_HOSTS = ["*"]
    return {**os.environ}


class Web:
    """The panel on a port of this machine, with a session and a token."""

    def __init__(self, port: int, pid: int, cookie: str, token: str, csrf: str) -> None:
        self.port, self.pid, self.cookie, self.token, self.csrf = port, pid, cookie, token, csrf
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def ask(self, page: Any) -> tuple[int, bytes]:
        """One request over the connection that is kept."""
        headers = {"Cookie": f"{self.cookie}; csrftoken={self.csrf}", "X-CSRFToken": self.csrf}
        if page.part == "API":
            headers = {"Authorization": f"Bearer {self.token}"}
        body = None
        if page.form:
            body = urlencode(page.form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        self._http.request(page.method, page.url, body, headers)
        response = self._http.getresponse()
        return response.status, response.read()


@contextmanager
def panel(folder: Path, environment: dict[str, str]) -> Iterator[Web]:
    """gunicorn as the appliance runs it, one worker."""
    from mailadmin.appliance.processes import gunicorn_command
    from tests.fixtures_servers import choose_free_port

    port = choose_free_port()
    with (folder / "web.log").open("wb") as log:
        command = gunicorn_command([f"127.0.0.1:{port}"], 1)
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _until(lambda: _listens(port))
        yield Web(port, process.pid, *credentials())
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def credentials() -> tuple[str, str, str]:
    """A session of the administrator, a token with the admin scope, a CSRF secret."""
    from django.conf import settings
    from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
    from django.contrib.sessions.backends.db import SessionStore
    from django.middleware.csrf import _get_new_csrf_string

    from mailadmin.api.models import ApiToken
    from mailadmin.api.tokens import create_token

    user = administrator()
    session = SessionStore()
    session[SESSION_KEY], session[HASH_SESSION_KEY] = str(user.pk), user.get_session_auth_hash()
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session.create()
    ApiToken.objects.filter(name="benchmark").delete()
    _, token = create_token("benchmark", ["admin"])
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}", token, _get_new_csrf_string()


def administrator() -> Any:
    """The first superuser."""
    from mailadmin.directory.models import Account

    return Account.objects.filter(is_superuser=True).earliest("id")


def measure(web: Web, url: str, environment: dict[str, str], only: str, repeat: int) -> None:
    """Every page, then the commands."""
    from tests.bench.panel_pages import all_pages

    postgres = postmaster(url)
    for page in all_pages(administrator()):
        row = f"{page.part} {page.name}"
        if only in row:
            report(row, {**timed(web, page, postgres, repeat), "queries": count_queries(web, page)})
    for words in COMMANDS:
        row = f"shell {' '.join(words)}"
        if only in row:
            report(row, command(words, environment, postgres))


def timed(web: Web, page: Any, postgres: int, repeat: int) -> dict[str, float]:
    """The median of what a client waits, and of the CPU of all who worked for it."""
    status, body = web.ask(page)
    # Without the rest of the appliance /healthz says so, and takes its time for it.
    if status != 200 and page.name != "health":
        print(f"# {status} {page.url} {body[:300]!r}", file=sys.stderr)
        return {"status": status}
    waits, works = [], []
    for _ in range(repeat):
        before, began = cpu_s(web.pid) + cpu_s(postgres), time.perf_counter()
        web.ask(page)
        waits.append(time.perf_counter() - began)
        works.append(cpu_s(web.pid) + cpu_s(postgres) - before)
    return {"ms": 1000 * statistics.median(waits), "cpu_ms": 1000 * statistics.median(works), "bytes": len(body)}


def count_queries(web: Web, page: Any) -> int:
    """In this process, since nobody sees into gunicorn's."""
    from django.test import Client

    from tests.bench.panel_pages import counted_queries

    client = Client(raise_request_exception=False)
    client.cookies.load(web.cookie)
    headers = {"Authorization": f"Bearer {web.token}"} if page.part == "API" else {}
    with counted_queries() as found:
        if page.method == "POST":
            client.post(page.url, urlencode(page.form), "application/x-www-form-urlencoded", headers=headers)
        else:
            client.get(page.url, headers=headers)
    return len(found)


def command(words: tuple[str, ...], environment: dict[str, str], postgres: int) -> dict[str, float]:
    """A command of manage.py; what `manage.py check` would need to get going is taken off."""
    start = _run(("help",), environment, postgres)
    whole = _run(words, environment, postgres)
    return {name: whole[name] - start[name] for name in whole}


def _run(words: tuple[str, ...], environment: dict[str, str], postgres: int) -> dict[str, float]:
    before, began = cpu_s(postgres) + sum(os.times()[2:4]), time.perf_counter()
    subprocess.run(
        [sys.executable, "manage.py", *words], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, check=True
    )
    wait = time.perf_counter() - began
    return {"ms": 1000 * wait, "cpu_ms": 1000 * (cpu_s(postgres) + sum(os.times()[2:4]) - before)}


def report(row: str, figures: dict[str, float]) -> None:
    """One line for each figure."""
    for metric, value in figures.items():
        print(json.dumps({"row": row, "metric": metric, "value": round(value, 1)}), flush=True)


def postmaster(url: str) -> int:
    """The process id of the server, asked of itself."""
    import psycopg

    with psycopg.connect(url) as conn:
        lines = conn.execute("SELECT pg_read_file('postmaster.pid')").fetchone()
    return int(lines[0].splitlines()[0]) if lines else 0


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and its children: those that run, in nanoseconds, and those that have ended."""
    total = _ended_s(pid)
    for process in (pid, *_children(pid)):
        for task in _listed(Path(f"/proc/{process}/task")):
            try:
                total += int(Path(f"/proc/{process}/task/{task}/schedstat").read_text().split()[0]) / 1e9
            except (OSError, IndexError):
                continue
    return total


def _ended_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    found = []
    for task in _listed(Path(f"/proc/{pid}/task")):
        try:
            found += map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split())
        except OSError:
            continue
    return found


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _listens(port: int) -> bool:
    import socket

    try:
        socket.create_connection(("127.0.0.1", port), timeout=0.2).close()
    except OSError:
        return False
    return True


def _until(condition: Any, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(str(condition))
        time.sleep(0.05)


if __name__ == "__main__":
    main()
