"""A connection to one of the servers: sends octets, tells where an answer ends."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.side_by_side.values import Response, read_response

TIME_LIMIT_S = 20.0
_LITERAL = re.compile(rb"\{(\d+)\}\r\n\Z")


class Closed(Exception):
    """The server has closed the connection."""


@dataclass
class Client:
    """One connection. `transcript` gets everything that is sent and received, for who wants to read it."""

    socket: socket.socket
    transcript: list[bytes] | None = None
    _buffer: bytearray = field(default_factory=bytearray)

    @classmethod
    def connect(cls, port: int, transcript: list[bytes] | None = None) -> Client:
        """Connected and greeted."""
        client = cls.open(port, transcript)
        client.read()
        return client

    @classmethod
    def open(cls, port: int, transcript: list[bytes] | None = None) -> Client:
        """Connected; the greeting is to be read."""
        return cls(socket.create_connection(("127.0.0.1", port), timeout=TIME_LIMIT_S), transcript)

    def send(self, data: bytes) -> None:
        """All of it, as it is."""
        self._note(b"> " + data)
        try:
            self.socket.sendall(data)
        except OSError as error:
            raise Closed from error

    def read(self) -> Response:
        """The next response."""
        data = self._line()
        while found := _LITERAL.search(data, max(0, len(data) - 20)):
            data += self._take(int(found[1])) + self._line()
        self._note(b"< " + data)
        return read_response(data)

    def read_line(self) -> bytes:
        """The next line without its CRLF, whatever it is (POP3)."""
        line = self._line()
        self._note(b"< " + line)
        return line.removesuffix(b"\n").removesuffix(b"\r")

    def is_closed(self) -> bool:
        """Whether nothing comes any more, and the server has closed the connection."""
        try:
            self._more()
        except Closed:
            return not self._buffer
        return False

    def read_until(self, is_last: Callable[[Response], bool]) -> list[Response]:
        """All responses up to and including that one."""
        responses = [self.read()]
        while not is_last(responses[-1]):
            responses.append(self.read())
        return responses

    def close(self) -> None:
        self.socket.close()

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\n")) < 0:
            self._more()
        return self._remove(end + 1)

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        return self._remove(size)

    def _remove(self, size: int) -> bytes:
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 18)
        except ConnectionResetError as error:
            raise Closed from error
        if not data:
            raise Closed
        self._buffer += data

    def _note(self, line: bytes) -> None:
        if self.transcript is not None:
            self.transcript.append(line)
