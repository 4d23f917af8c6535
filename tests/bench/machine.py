"""Where and with what was measured: machine, disk, versions, and the commit of this project."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

from tests.bench.servers import ROOT, file_system

LIBRARIES = ("django", "celery", "aiosmtpd", "uvloop", "psycopg")


def facts(parent: Path) -> dict[str, str]:
    """One session's facts, as sentences without full stops. `parent` is where the servers keep their directories."""
    return {
        "date": _output("date", "+%Y-%m-%d"),
        "machine": f"{os.cpu_count()} cores ({_cpu()}), {_memory()}, {platform.system()} {platform.release()}, "
        f"{_debian()}; mail and databases on {file_system(parent)}",
        "ours": f"Mailkeep {commit()}: Python {platform.python_version()}, {', '.join(map(_library, LIBRARIES))}, "
        "embedded PostgreSQL and Valkey",
        "peer": f"Postfix {_output('postconf', '-d', '-h', 'mail_version') or 'not installed'}, "
        f"Dovecot {_output('dovecot', '--version').split(' ')[0] or 'not installed'}",
    }


def commit() -> str:
    """The commit, with a + when files differ from it."""
    changed = _output("git", "status", "--porcelain", "--untracked-files=no")
    return (_output("git", "rev-parse", "--short", "HEAD") or "without a commit") + ("+" if changed else "")


def _library(name: str) -> str:
    return f"{name} {importlib.metadata.version(name)}"


def _cpu() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _memory() -> str:
    lines = Path("/proc/meminfo").read_text().splitlines()
    return f"{int(next(line.split()[1] for line in lines if line.startswith('MemTotal'))) / 2**20:.0f} GiB"


def _debian() -> str:
    version = Path("/etc/debian_version")
    return f"Debian {version.read_text().strip()}" if version.exists() else "not Debian"


def _output(*words: str) -> str:
    try:
        return subprocess.run(words, capture_output=True, text=True, cwd=ROOT).stdout.strip()
    except FileNotFoundError:
        return ""
