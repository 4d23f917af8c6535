"""What the supervisor writes down in $MAIL_HOME/run: a lock that says it lives, and a file that says what it runs."""

import fcntl
import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mailadmin.appliance.home import write_private


class AlreadyRunning(Exception):
    """Another appliance holds this $MAIL_HOME."""

    def __init__(self, pid: int | None) -> None:
        super().__init__(f"an appliance is running already (pid {pid})")
        self.pid = pid


class Lock:
    """Held as long as the supervisor lives; the kernel lets go of it whatever the end."""

    def __init__(self, home: Path) -> None:
        self._path = home / "run" / "appliance.lock"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Take it, or raise AlreadyRunning."""
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise AlreadyRunning(self.holder()) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def is_held(self) -> bool:
        """Does somebody hold it?"""
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def holder(self) -> int | None:
        try:
            return int(self._path.read_text())
        except (OSError, ValueError):
            return None


@dataclass(frozen=True, slots=True)
class ChildState:
    """One child as the supervisor sees it."""

    role: str
    number: int
    name: str
    pid: int | None
    state: str
    started_at: float | None
    restarts: int


@dataclass(frozen=True, slots=True)
class ApplianceState:
    """The whole of run/appliance.json."""

    pid: int
    started_at: float
    ready: bool
    public_url: str
    processes: tuple[ChildState, ...]


def write_state(home: Path, state: ApplianceState) -> None:
    write_private(_path(home), json.dumps(asdict(state), indent=1) + "\n", durable=False)


def read_state(home: Path) -> ApplianceState | None:
    """What the last supervisor wrote, which may be gone by now: see Lock.is_held."""
    try:
        found: dict[str, Any] = json.loads(_path(home).read_text())
    except (FileNotFoundError, ValueError):
        return None
    processes = tuple(ChildState(**child) for child in found.pop("processes"))
    return ApplianceState(**found, processes=processes)


def _path(home: Path) -> Path:
    return home / "run" / "appliance.json"
