"""An IMAP client in IDLE that notes when it is told of new messages."""

from __future__ import annotations

import re
import socket
import threading
import time

from tests.fakes.mail_senders import trusting
from tests.fixtures_servers import wait_until


class IdleWatcher(threading.Thread):
    """`told` is how many messages the mailbox has, by the last EXISTS; `lost` why the connection ended, if it did."""

    def __init__(self, port: int, login: str, password: str) -> None:
        super().__init__(daemon=True)
        self.told = -1
        self.told_at = 0.0
        self.lost = ""
        raw = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._socket = trusting().wrap_socket(raw, server_hostname="localhost")
        self._stream = self._socket.makefile("rb")
        self._stream.readline()
        self._do(f'a LOGIN {login} "{password}"')
        self._do("b SELECT INBOX")
        self._say("c IDLE")
        while not self._stream.readline().startswith(b"+"):
            pass
        self._socket.settimeout(None)
        self.start()

    def run(self) -> None:
        try:
            while line := self._stream.readline():
                self._read(line)
            self.lost = self.lost or "end of connection"
        except (OSError, ValueError) as error:
            self.lost = self.lost or str(error)

    def seconds_until_told(self, count: int, since: float, limit_s: float) -> float:
        """How long after `since` it was told that there are `count` messages."""
        wait_until(lambda: self.told >= count or self.lost, seconds=limit_s, what=f"IDLE tells of message {count}")
        assert self.told >= count, f"the IDLE connection ended: {self.lost}"
        return max(0.0, self.told_at - since)

    def close(self) -> None:
        self.lost = "closed by the test"
        self._socket.close()

    def _read(self, line: bytes) -> None:
        if line.startswith(b"* BYE"):
            self.lost = line.decode().strip()
        if found := re.match(rb"\* (\d+) EXISTS", line):
            self.told_at, self.told = time.monotonic(), int(found[1])

    def _do(self, command: str) -> None:
        self._say(command)
        tag = command.split()[0].encode()
        while not (line := self._stream.readline()).startswith(tag):
            if not line:
                raise EOFError(command)
            self._read(line)
        assert line.startswith(tag + b" OK"), line

    def _say(self, command: str) -> None:
        self._socket.sendall(f"{command}\r\n".encode())
