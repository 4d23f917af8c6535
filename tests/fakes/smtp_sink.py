"""An SMTP server that does what a test wants of it: replies, hangs, hangs up, lies. A thread per connection."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

STALL = "<stall>"
HANG_UP = "<hang up>"
RESET = "<reset>"


@dataclass
class Received:
    """One message as it came: `content` with the dots taken off, lines still ending in CRLF."""

    sender: str
    mail_parameters: list[str]
    recipients: list[str]
    rcpt_parameters: list[list[str]]
    content: bytes
    connection: int
    tls: bool
    user: str = ""


@dataclass
class Script:
    """What the server says. A reply is a text, STALL, HANG_UP, RESET, or a function of the command's argument."""

    greeting: str = "220 sink.test ESMTP"
    keywords: tuple[str, ...] = ("PIPELINING", "SIZE 10000000", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN", "SMTPUTF8")
    ehlo: str = ""
    helo: str = "250 sink.test"
    mail: str | Callable[[str], str] = "250 2.1.0 ok"
    rcpt: str | Callable[[str], str] = "250 2.1.5 ok"
    data: str = "354 go ahead"
    end_of_data: str | Callable[[bytes], str] = "250 2.0.0 taken"
    rset: str = "250 2.0.0 ok"
    starttls: str = "220 2.0.0 go ahead"
    auth: str = "235 2.7.0 welcome"
    users: dict[str, str] = field(default_factory=dict)
    # Sent in clear right behind the reply to STARTTLS.
    injected: bytes = b""
    # Instead of shaking hands.
    garbage_for_handshake: bytes = b""
    # The connection breaks after so many bytes of content.
    cut_content_at: int = 0
    messages_per_connection: int = 0


class Sink:
    """Listens on 127.0.0.1 (or `host`) while the context is entered."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        self.script = script or Script()
        self.received: list[Received] = []
        self.commands: list[str] = []
        self.connections = 0
        self.host = host
        self._tls = tls
        self._implicit = implicit_tls
        self._wanted_port = port
        self._stopping = threading.Event()
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()

    @property
    def port(self) -> int:
        assert self._listener is not None
        return int(self._listener.getsockname()[1])

    def __enter__(self) -> Self:
        self._listener = socket.create_server((self.host, self._wanted_port))
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._listener is not None:
            self._listener.shutdown(socket.SHUT_RDWR)
            self._listener.close()
        for sock in list(self._open):
            hang_up(sock)

    def _accept(self, listener: socket.socket) -> None:
        while not self._stopping.is_set():
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.add(sock)
            threading.Thread(target=self._serve, args=(sock, self.connections), daemon=True).start()

    def _serve(self, sock: socket.socket, number: int) -> None:
        session = Session(self, sock, number)
        try:
            if self._implicit:
                session.handshake()
            session.run()
        except (OSError, EOFError, ValueError):
            pass  # the client went away, or TLS could not be agreed on
        finally:
            hang_up(session.sock)
            self._open.discard(sock)

    def stall(self) -> None:
        """Say nothing until the test is over."""
        self._stopping.wait(60)
        raise EOFError


class Session:
    """One connection."""

    def __init__(self, sink: Sink, sock: socket.socket, number: int) -> None:
        self.sink = sink
        self.sock = sock
        self.number = number
        self.buffer = b""
        self.tls = False
        self.user = ""
        self.taken = 0
        self.forget()

    def forget(self) -> None:
        self.sender: str | None = None
        self.mail_parameters: list[str] = []
        self.recipients: list[str] = []
        self.rcpt_parameters: list[list[str]] = []

    def run(self) -> None:
        self.say(self.sink.script.greeting)
        while line := self.line():
            self.sink.commands.append(line)
            verb = line.split(maxsplit=1)[0].upper()
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler is None:
                self.say("502 5.5.2 what?")
            elif handler(line[len(verb) :].strip()) == "end":
                return

    def on_ehlo(self, name: str) -> None:
        script = self.sink.script
        if script.ehlo:
            self.say(script.ehlo)
            return
        keywords = list(script.keywords)
        if self.sink._tls is not None and not self.tls:
            keywords.append("STARTTLS")
        lines = ["sink.test", *keywords]
        self.send(
            "".join(f"250{' ' if n == len(lines) - 1 else '-'}{text}\r\n" for n, text in enumerate(lines)).encode()
        )

    def on_helo(self, name: str) -> None:
        self.say(self.sink.script.helo)

    def on_starttls(self, _: str) -> None:
        script = self.sink.script
        if not script.starttls.startswith("220"):
            self.say(script.starttls)
            return
        self.send(script.starttls.encode() + b"\r\n" + script.injected)
        if script.garbage_for_handshake:
            self.send(script.garbage_for_handshake)
            raise EOFError
        self.handshake()
        self.forget()

    def handshake(self) -> None:
        assert self.sink._tls is not None
        self.sock = self.sink._tls.wrap_socket(self.sock, server_side=True)
        self.tls = True

    def on_auth(self, argument: str) -> None:
        mechanism, _, initial = argument.partition(" ")
        if mechanism.upper() == "PLAIN":
            _, user, password = base64.b64decode(initial).decode().split("\0")
        else:
            self.say("334 VXNlcm5hbWU6")
            user = base64.b64decode(self.line()).decode()
            self.say("334 UGFzc3dvcmQ6")
            password = base64.b64decode(self.line()).decode()
        if self.sink.script.users.get(user) == password:
            self.user = user
            self.say(self.sink.script.auth)
        else:
            self.say("535 5.7.8 authentication failed")

    def on_mail(self, argument: str) -> None:
        path, *parameters = argument.split(":", 1)[1].split()
        if self.sink.script.messages_per_connection and self.taken >= self.sink.script.messages_per_connection:
            self.say("421 4.7.0 enough for this connection")
            raise EOFError
        reply = self.say(self.sink.script.mail, path[1:-1])
        if reply.startswith("2"):
            self.sender, self.mail_parameters = path[1:-1], parameters

    def on_rcpt(self, argument: str) -> None:
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
            return
        path, *parameters = argument.split(":", 1)[1].split()
        if self.say(self.sink.script.rcpt, path[1:-1]).startswith("2"):
            self.recipients.append(path[1:-1])
            self.rcpt_parameters.append(parameters)

    def on_data(self, _: str) -> None:
        if not self.recipients and self.sink.script.data.startswith("354 go"):
            self.say("503 5.5.1 RCPT first" if self.sender is None else "554 5.5.1 no valid recipients")
            return
        if not self.say(self.sink.script.data).startswith("354"):
            return
        content = self.content()
        reply = self.sink.script.end_of_data
        text = reply if isinstance(reply, str) else reply(content)
        if text.startswith("2"):
            # Before the reply: who has heard it may look at once.
            self.taken += 1
            self.sink.received.append(self.message(content))
        self.say(text)
        self.forget()

    def message(self, content: bytes) -> Received:
        return Received(
            self.sender or "",
            self.mail_parameters,
            self.recipients,
            self.rcpt_parameters,
            content,
            self.number,
            self.tls,
            self.user,
        )

    def content(self) -> bytes:
        cut = self.sink.script.cut_content_at
        data = b"\r\n" + self.buffer
        while b"\r\n.\r\n" not in data:
            if cut and len(data) > cut:
                raise EOFError
            data += self.receive()
        body, _, self.buffer = data.partition(b"\r\n.\r\n")
        return (body + b"\r\n").replace(b"\r\n.", b"\r\n")[2:]

    def on_rset(self, _: str) -> None:
        self.forget()
        self.say(self.sink.script.rset)

    def on_noop(self, _: str) -> None:
        self.say("250 2.0.0 ok")

    def on_quit(self, _: str) -> str:
        self.say("221 2.0.0 bye")
        return "end"

    def say(self, reply: str | Callable[..., str], *arguments: object) -> str:
        """Send a reply, or do what it stands for. A text with several lines becomes a multi-line reply."""
        text = reply if isinstance(reply, str) else reply(*arguments)
        if text == STALL:
            self.sink.stall()
        if text == HANG_UP:
            raise EOFError
        if text == RESET:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            raise EOFError
        code, lines = text[:3], text[4:].split("\n")
        marks = ["-"] * (len(lines) - 1) + [" "]
        self.send("".join(f"{code}{mark}{line}\r\n" for mark, line in zip(marks, lines, strict=True)).encode())
        return text

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def receive(self) -> bytes:
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        return data

    def line(self) -> str:
        while b"\r\n" not in self.buffer:
            self.buffer += self.receive()
        line, _, self.buffer = self.buffer.partition(b"\r\n")
        return line.decode()


def hang_up(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
