"""What a child process does between fork and exec: lose root where it must, and promise to die with its parent.

PostgreSQL refuses to run as root. When the appliance is started by root, its server therefore runs as an
unprivileged user. If that user cannot reach the program or the data because a parent folder is private (a clone
in /root), the child keeps one capability, reading past folder permissions, instead of the appliance opening
somebody's home directory to everybody.
"""

import ctypes
import os
import pwd
import signal
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_SECUREBITS = 28
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
# Capabilities stay when the user changes, and access(2), by which PostgreSQL checks its programs, heeds them.
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2
LINUX_CAPABILITY_VERSION_3 = 0x20080522
# A real "postgres" user may own other clusters on the machine, but nobody else's processes; "nobody" always exists.
CANDIDATES = ("postgres", "nobody")

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class ServerUser:
    """The unprivileged user a server runs as when root starts it."""

    name: str
    uid: int
    gid: int
    capability: int | None = None


class _CapHeader(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


class _CapData(ctypes.Structure):
    _fields_ = [
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    ]


def server_user(needed: Iterable[Path]) -> ServerUser | None:
    """Who runs a server that refuses root: None when we are not root ourselves. `needed` are the paths it uses."""
    if os.geteuid() != 0:
        return None
    entry = _first_known(CANDIDATES)
    hidden = any(not _reachable(path, entry.pw_uid, entry.pw_gid) for path in needed)
    return ServerUser(entry.pw_name, entry.pw_uid, entry.pw_gid, _searching_capability() if hidden else None)


def child_setup(death_signal: int, user: ServerUser | None = None) -> Callable[[], None]:
    """The function to run in the child before exec (preexec_fn). Everything it needs is looked up beforehand."""
    parent = os.getpid()

    def setup() -> None:
        # Signals that the parent blocks or ignores would stay so after exec.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        if user is not None:
            _become(user)
        # After the change of user: the kernel forgets the death signal when credentials change.
        _prctl(PR_SET_PDEATHSIG, death_signal)
        if os.getppid() != parent:
            os._exit(1)

    return setup


def hand_over(path: Path, user: ServerUser | None) -> None:
    """Give one file or folder that we have just made to the user of a server."""
    if user is not None:
        os.chown(path, user.uid, user.gid)


def _become(user: ServerUser) -> None:
    if user.capability is not None:
        _prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP)
    os.setgroups([])
    os.setresgid(user.gid, user.gid, user.gid)
    os.setresuid(user.uid, user.uid, user.uid)
    if user.capability is not None:
        _keep_only(user.capability)


def _keep_only(capability: int) -> None:
    header, data = _CapHeader(LINUX_CAPABILITY_VERSION_3, 0), (_CapData * 2)()
    data[0] = _CapData(1 << capability, 1 << capability, 1 << capability)
    if _libc.capset(ctypes.byref(header), ctypes.byref(data)) != 0:
        raise OSError(ctypes.get_errno(), "capset")
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _prctl(option: int, first: int, second: int = 0) -> None:
    if _libc.prctl(option, first, second, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}")


def _first_known(names: Iterable[str]) -> pwd.struct_passwd:
    for name in names:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise LookupError(f"none of the users {', '.join(names)} exists, and PostgreSQL refuses to run as root")


def _reachable(path: Path, uid: int, gid: int) -> bool:
    """May this user search every folder above `path`?"""
    for folder in path.resolve().parents:
        found = folder.stat()
        bit = stat.S_IXUSR if found.st_uid == uid else stat.S_IXGRP if found.st_gid == gid else stat.S_IXOTH
        if not found.st_mode & bit:
            return False
    return True


def _searching_capability() -> int:
    """The narrower of the two capabilities that open folders; a container's bounding set may have only the wider."""
    bounding = int(_status_field("CapBnd"), 16)
    return CAP_DAC_READ_SEARCH if bounding >> CAP_DAC_READ_SEARCH & 1 else CAP_DAC_OVERRIDE


def _status_field(name: str) -> str:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return line.split()[1]
    raise LookupError(f"/proc/self/status has no {name}")
