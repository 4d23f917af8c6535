"""$MAIL_HOME: its folders, its keys, and where programs started by hand find a running appliance.

Modes are tight: what is in here is people's mail and the keys to it. Nothing outside $MAIL_HOME is written.
"""

import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent.parent
FOLDERS = (
    "lists",
    "mail",
    "spool",
    "spool/incoming",
    "spool/queue",
    "log",
    "tls",
    "run",
)
# Every local user may leave a message, nobody but us may look: the sticky bit keeps others from removing it.
MAILDROP_MODES = {"maildrop": 0o755, "maildrop/tmp": 0o1733, "maildrop/new": 0o1733}


def mail_home(environment: Mapping[str, str] = os.environ) -> Path:
    """$MAIL_HOME, by default the folder var/ beside manage.py."""
    return Path(environment.get("MAIL_HOME") or CODE / "var").resolve()


def environment_file(home: Path) -> Path:
    """Where the appliance leaves the addresses and keys of its servers, as NAME=value lines (mode 0600)."""
    return home / "environment"


def load_environment(environment: "os._Environ[str] | dict[str, str]" = os.environ) -> None:
    """Let programs started by hand find the appliance: what its file says counts where the environment says nothing."""
    try:
        text = environment_file(mail_home(environment)).read_text()
    except OSError:
        return
    for line in text.splitlines():
        name, separator, value = line.partition("=")
        if separator and name not in environment:
            environment[name] = value


@dataclass(frozen=True, slots=True)
class Home:
    """One $MAIL_HOME."""

    folder: Path

    def make(self) -> None:
        """Make what is missing; leave what is there."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        for name in FOLDERS:
            (self.folder / name).mkdir(mode=0o700, exist_ok=True)
        for name, mode in MAILDROP_MODES.items():
            folder = self.folder / name
            folder.mkdir(exist_ok=True)
            folder.chmod(mode)
        # It exists from the first minute, so that one can follow it (tail -f, fail2ban).
        (self.folder / "log" / "maillog").touch(mode=0o600)

    def secret(self, name: str, length: int = 32) -> str:
        """A random secret that is made once and kept in a file of its own."""
        path = self.folder / name
        try:
            return path.read_text().strip()
        except FileNotFoundError:
            write_private(path, secrets.token_urlsafe(length) + "\n")
        return path.read_text().strip()

    def write_environment(self, values: Mapping[str, str]) -> None:
        write_private(environment_file(self.folder), "".join(f"{name}={value}\n" for name, value in values.items()))


def keys_home(home: Path) -> Home:
    """Where secrets are made: $KEYS where programs are separated from each other, otherwise $MAIL_HOME."""
    return Home(Path(os.environ.get("KEYS") or home))


def write_private(path: Path, text: str, *, durable: bool = True, mode: int = 0o600) -> None:
    """Write a file that only we may read, in one step: a reader sees the old content or the new."""
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, mode)
        file.write(text)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    unfinished.rename(path)
