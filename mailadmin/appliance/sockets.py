"""Which sockets a process listens on, read from /proc: what is, not what was asked for."""

import os
import socket
import struct
from pathlib import Path

LISTEN = "0A"


def listening_addresses(pid: int) -> list[str]:
    """Every TCP address that process listens on, as host:port. Empty when it is gone or another user's."""
    inodes = _socket_inodes(pid)
    if not inodes:
        return []
    return sorted(address for inode, address in _listeners() if inode in inodes)


def port_taken(host: str, port: int) -> OSError | None:
    """Why nobody can listen there now, or None when one can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError as error:
            return error
    return None


def _socket_inodes(pid: int) -> set[str]:
    found = set()
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except OSError:
        return found
    for name in names:
        try:
            target = os.readlink(f"{folder}/{name}")
        except OSError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def _listeners() -> list[tuple[str, str]]:
    found = []
    for table in ("tcp", "tcp6"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == LISTEN:
                found.append((fields[9], _address(fields[1])))
    return found


def _address(text: str) -> str:
    """`0100007F:09DD` -> `127.0.0.1:2525`. The kernel prints each 32-bit word in the machine's own byte order."""
    host, port = text.split(":")
    packed = b"".join(struct.pack("=I", int(host[start : start + 8], 16)) for start in range(0, len(host), 8))
    if len(packed) == 4:
        return f"{socket.inet_ntop(socket.AF_INET, packed)}:{int(port, 16)}"
    return f"[{socket.inet_ntop(socket.AF_INET6, packed)}]:{int(port, 16)}"
