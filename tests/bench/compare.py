#!/usr/bin/env python3
"""Measure this appliance and Postfix + Dovecot side by side, in turn, in one run, and write docs/benchmarks.md.

    tests/bench/compare.py [--runs 3] [--only WORDS] [--keep] [--write]

Both servers are started on fresh directories on a real disk, one after the other for every run, so that neither pays
for the other's background work. Needs root and Debian's postfix and dovecot (peer.py installs them). The appliance
runs with its default durability; accounts are seeded through the REST API. `plaintext_auth` is set to `mynetworks`,
because the load generator speaks no TLS on either side.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import platform
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))  # run as a script from anywhere
import suite

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PYTHON = sys.executable
USERS = 200
PORT_NAMES = (
    "SMTP_PORT", "SUBMISSION_PORT", "SUBMISSIONS_PORT", "IMAP_PORT", "IMAPS_PORT", "POP3_PORT", "POP3S_PORT",
    "WEB_PORT", "PG_PORT", "REDIS_PORT",
)  # fmt: skip


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


class Appliance:
    """One appliance of ours on a fresh directory."""

    label = "Mailkeep"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        ports = dict(zip(PORT_NAMES, map(str, free_ports(len(PORT_NAMES))), strict=True))
        self.env = {**os.environ, **ports, "MAIL_HOME": str(folder)}
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers, then seed it."""
        self.folder.mkdir(parents=True)
        log = (self.folder.parent / "appliance.log").open("wb")
        self.process = subprocess.Popen(
            [PYTHON, "manage.py", "appliance"], cwd=ROOT, env=self.env, stdout=log, stderr=log, start_new_session=True
        )
        self._wait()
        self._seed()

    def options(self) -> list[str]:
        """For load.py."""
        assert self.process is not None
        words = [f"--{name}-port={self.env[f'{name.upper()}_PORT']}" for name in ("smtp", "imap", "pop3")]
        return [*words, "--server-pid", str(self.process.pid)]

    def stop(self) -> None:
        """Stop it cleanly."""
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.wait(60)

    def _wait(self) -> None:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            assert self.process is not None and self.process.poll() is None, "the appliance ended: see appliance.log"
            try:
                if self._get("/healthz") == 200:
                    return
            except OSError:
                pass
            time.sleep(0.2)
        raise SystemExit("the appliance does not answer: see appliance.log")

    def _get(self, path: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", int(self.env["WEB_PORT"]), timeout=5)
        connection.request("GET", path)
        return connection.getresponse().status

    def _seed(self) -> None:
        words = ["create_api_token", "bench", "--scopes", "admin"]
        token = subprocess.check_output([PYTHON, "manage.py", *words], cwd=ROOT, env=self.env, text=True).strip()
        connection = http.client.HTTPConnection("127.0.0.1", int(self.env["WEB_PORT"]), timeout=60)

        def call(method: str, path: str, body: dict[str, Any]) -> None:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            connection.request(method, f"/api/v1/{path}", json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            assert answer.status < 300, f"{method} {path}: {answer.status} {text}"

        call("PATCH", "settings/", {"plaintext_auth": "mynetworks"})
        call("PUT", "domains/bench.test/", {"name": "bench.test", "kind": "local"})
        for number in range(USERS):
            address = f"user{number}@bench.test"
            call("PUT", f"accounts/{address}/", {
                "address": address, "password": "secret", "skip_password_validation": True,
            })  # fmt: skip
        call("PUT", "domains/relay.test/", {"name": "relay.test", "kind": "relay"})
        call("POST", "transport-rules/", {"match": "relay.test", "relayhost": "[127.0.0.1]:3526"})


class Peer:
    """Debian's Postfix and Dovecot."""

    label = "Postfix + Dovecot"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def start(self) -> None:
        """Start both."""
        subprocess.run([PYTHON, str(HERE / "peer.py"), "up", "--dir", str(self.folder)], check=True, stdout=sys.stderr)

    def options(self) -> list[str]:
        """For load.py."""
        words = [PYTHON, str(HERE / "peer.py"), "args", "--dir", str(self.folder)]
        return subprocess.check_output(words, text=True).split()

    def stop(self) -> None:
        """Stop both and remove what they left."""
        subprocess.run([PYTHON, str(HERE / "peer.py"), "down", "--dir", str(self.folder)], stdout=sys.stderr)


@contextmanager
def running(server: Appliance | Peer) -> Iterator[Appliance | Peer]:
    """Started for the time of the block."""
    try:
        server.start()
        yield server
    finally:
        server.stop()


def measure(server: Appliance | Peer, out: Path, only: str, retries: int) -> None:
    """One run of the suite against one server."""
    words = [PYTHON, str(HERE / "suite.py"), "--label", server.label, "--out", str(out), "--runs", "1"]
    words += ["--retries", str(retries)]
    if only:
        words += ["--only", only]
    subprocess.run([*words, "--", *server.options()], check=True, stdout=sys.stderr)


def versions() -> str:
    """What was measured, in a line."""
    import aiosmtpd
    import django

    postfix = subprocess.run(["postconf", "-d", "-h", "mail_version"], capture_output=True, text=True).stdout.strip()
    dovecot = subprocess.run(["dovecot", "--version"], capture_output=True, text=True).stdout.split(" ")[0]
    return (
        f"Python {platform.python_version()}, Django {django.__version__}, aiosmtpd {aiosmtpd.__version__}; "
        f"Postfix {postfix}, Dovecot {dovecot}"
    )


def machine() -> str:
    """Where it was measured, in a line."""
    cpu, memory = Path("/proc/cpuinfo").read_text(), Path("/proc/meminfo").read_text()
    model = next((line.partition(":")[2].strip() for line in cpu.splitlines() if line.startswith("model name")), "?")
    total = next(line.split()[1] for line in memory.splitlines() if line.startswith("MemTotal"))
    return f"{os.cpu_count()} cores ({model}), {int(total) / 2**20:.0f} GiB, {platform.system()} {platform.release()}"


def ratios(out: Path) -> str:
    """The appliance's median divided by the peer's, for each figure; undisturbed runs only where there are any."""
    runs = [json.loads(line) for line in out.read_text().splitlines()]
    lines = ["| What | Figure | Peer | Mailkeep | Ratio |", "|---|---|---:|---:|---:|"]
    for name, words in suite.ROWS:
        for path, unit in suite.FIGURES[words.split()[0]]:
            medians = [median_of(runs, name, label, path) for label in (Peer.label, Appliance.label)]
            if all(medians):
                theirs, ours = medians
                lines.append(f"| {name} | {unit} | {theirs:,.4g} | {ours:,.4g} | {ours / theirs:.2f} |")
    return "\n".join(lines) + "\n"


def median_of(runs: list[dict[str, Any]], name: str, label: str, path: str) -> float | None:
    """The median of one figure of one server."""
    rows = [run for run in runs if (run["row"], run["label"]) == (name, label)]
    clean = [run for run in rows if not (run["noisy"] or suite.disturbed(run["result"]))] or rows
    values = [value for run in clean if isinstance(value := suite.dig(run["result"], path), int | float)]
    return statistics.median(values) if values else None


def write(out: Path, target: Path) -> None:
    """The figures as a page."""
    table = subprocess.check_output([PYTHON, str(HERE / "suite.py"), "--table", str(out)], text=True)
    intro, outro = ((HERE / f"benchmarks-{part}.md").read_text() for part in ("intro", "outro"))
    target.write_text(
        f"{intro}\n## Where and what\n\n{machine()}. {versions()}. {time.strftime('%Y-%m-%d')}.\n\n"
        f"## Ratios of the medians\n\nRates: above 1 is faster than the peer. Milliseconds, CPU and memory: "
        f"below 1 is less.\n\n{ratios(out)}\n## All figures\n\n{table}\n{outro}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", default="", help="rows whose name or command contains one of these words")
    parser.add_argument("--servers", default="peer,ours")
    parser.add_argument("--retries", type=int, default=2, help="of a row during which other programs used the machine")
    parser.add_argument("--out", type=Path, help="JSON lines of all runs (default: a new file)")
    parser.add_argument("--keep", action="store_true", help="leave the directories")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    args = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="mkbench"))
    folder.chmod(0o755)
    out = args.out or folder / "results.jsonl"
    for number in range(args.runs):
        for name in args.servers.split(","):
            server = Peer(folder / f"p{number}") if name == "peer" else Appliance(folder / f"m{number}" / "home")
            with running(server):
                measure(server, out, args.only, args.retries)
    if args.write:
        write(out, ROOT / "docs" / "benchmarks.md")
    subprocess.run([PYTHON, str(HERE / "suite.py"), "--table", str(out)], check=True)
    if not args.keep:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
