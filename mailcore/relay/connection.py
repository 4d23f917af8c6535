"""A client connection to one host: the socket, TLS and the time limits under the dialogue of mailcore.relay.client.

Blocking, with every wait cut into slices: between two slices `keepalive` is called, so that whoever works under a
lease can renew it while a slow server thinks for its ten minutes. What is to be sent is gathered until there is
something to wait for: a short message and the envelope of the next one leave in one packet.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

from mailcore.relay.client import Client, Credentials
from mailcore.relay.errors import ConnectFailed, ConnectionLost, RelayError, SessionRefused, TlsFailed
from mailcore.relay.mx import Target
from mailcore.relay.outgoing import OutgoingMail
from mailcore.relay.steps import BLOCK_S, Dialogue, Receive, Send, SendContent, Sent, StartTls, Step
from mailcore.relay.transaction import Transaction
from mailcore.reply import Reply
from mailcore.smtp.data import DataWriter
from mailcore.smtp.reply_parser import BadReply, ReplyParser

T = TypeVar("T")

CONNECT_S = 30.0
HANDSHAKE_S = 30.0
SLICE_S = 10.0
# A server that has not answered after this time is slow: what else is to be done is done now.
SHORT_SLICE_S = 0.02
GATHER_BYTES = 65536
# A server that answers before the end of data has its words read for this long.
LAST_WORDS_S = 1.0


def _nothing() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Settings:
    """How this host speaks to others. `time_scale` shortens every time limit in tests."""

    hello_name: str
    verified: ssl.SSLContext
    unverified: ssl.SSLContext
    time_scale: float = 1.0
    keepalive: Callable[[], None] = field(default=_nothing)


def tls_contexts(ca_file: Path | None = None) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """(verified, unverified). The second still encrypts: against listeners, not against somebody in between."""
    verified = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    unverified = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    unverified.check_hostname = False
    unverified.verify_mode = ssl.CERT_NONE
    return verified, unverified


@dataclass(frozen=True, slots=True)
class _Message:
    content: Callable[[], Iterable[bytes]]
    while_waiting: Callable[[], None]
    following: Callable[[], OutgoingMail | None]


class Connection:
    """An open session with one host. Made by `connect`."""

    def __init__(self, target: Target, sock: socket.socket, client: Client, settings: Settings, tls_level: str) -> None:
        self.target = target
        self.tls = ""
        self._sock = sock
        self._client = client
        self._settings = settings
        self._tls_level = tls_level
        self._parser = ReplyParser()
        self._out: list[bytes] = []
        self._out_bytes = 0
        self._timeout_s: float | None = None
        # The transaction whose envelope the server has already.
        self._asked: Transaction | None = None

    @property
    def usable(self) -> bool:
        """Whether another transaction may be tried on this connection."""
        return self._client.usable

    @property
    def passes_on_dsn(self) -> bool:
        """Whether the host takes over what the sender wishes to be told (RFC 3461)."""
        return self._client.capabilities.dsn

    def open(self) -> None:
        """Go through greeting, EHLO, TLS and AUTH. Raises RelayError; the connection is closed then."""
        try:
            if self._tls_level == "implicit":
                self._handshake()
            self._run(self._client.open(), None)
        except BaseException:
            self.abort()
            raise

    def send(
        self,
        mail: OutgoingMail,
        content: Callable[[], Iterable[bytes]],
        while_waiting: Callable[[], None] = _nothing,
        following: Callable[[], OutgoingMail | None] = _nothing,
    ) -> Transaction:
        """One transaction; `content` gives the message in disk form when it is asked for. `following` may name the mail
        of the next call: its envelope goes along.

        Never raises for what the server does: the transaction's replies tell. What `content` or `while_waiting` raise
        comes out, after the connection was cut so that the server cannot take half a message for a whole one.
        """
        asked, self._asked = self._asked, None
        if asked is not None and asked.mail is not mail:
            self.abort()
        transaction = asked if asked is not None and self.usable else self._client.transaction(mail)
        try:
            if not self.usable:
                raise ConnectionLost(Reply(451, "4.4.2", f"{self.target} closed the connection"))
            message = _Message(content, while_waiting, following)
            self._run(transaction.steps(partial(self._next, message)), message)
        except RelayError as error:
            self.abort()
            transaction.broken(error.reply)
        except BaseException:
            self.abort()
            raise
        if not self.usable:
            self.abort()
        return transaction

    def close(self) -> None:
        """Say QUIT if the session still stands, then hang up. In the middle of a transaction nothing can be said."""
        if self._client.usable and self._asked is None:
            with contextlib.suppress(RelayError, OSError):
                self._run(self._client.quit(), None)
        self.abort()

    def abort(self) -> None:
        """Hang up at once."""
        self._client.usable = False
        self._asked = None
        with contextlib.suppress(OSError):
            self._sock.close()

    def _next(self, message: _Message) -> Transaction | None:
        mail = message.following()
        self._asked = self._client.transaction(mail) if mail is not None else None
        return self._asked

    def _run(self, dialogue: Dialogue, message: _Message | None) -> None:
        reply: Reply | None = None
        while True:
            try:
                step = dialogue.send(reply)
            except StopIteration:
                self._flush("sending a command")
                return
            reply = self._perform(step, message)

    def _perform(self, step: Step, message: _Message | None) -> Reply | None:
        match step:
            case Receive(timeout_s, after):
                return self._receive(timeout_s, after, message.while_waiting if message else None)
            case Send(data):
                self._gather(data)
            case SendContent() if message:
                self._send_content(message.content())
            case Sent() if message:
                self._flush("sending the message")
                message.while_waiting()
            case StartTls():
                # Whatever was injected in clear behind the 220 must not be taken for a reply inside TLS.
                self._parser = ReplyParser()
                self._handshake()
        return None

    def _send_content(self, content: Iterable[bytes]) -> None:
        writer = DataWriter()
        for block in content:
            self._gather(writer.feed(block))
        self._gather(writer.finish())

    def _gather(self, data: bytes) -> None:
        self._out.append(data)
        self._out_bytes += len(data)
        if self._out_bytes >= GATHER_BYTES:
            self._flush("sending the message")

    def _flush(self, doing: str) -> None:
        """Send what was gathered."""
        if not self._out:
            return
        view = memoryview(b"".join(self._out))
        self._out.clear()
        self._out_bytes = 0
        try:
            while view:
                view = view[self._patiently(partial(self._sock.send, view), BLOCK_S, doing) :]
        except ConnectionLost as lost:
            raise self._last_words(lost) from lost

    def _last_words(self, lost: ConnectionLost) -> ConnectionLost:
        """A server that hangs up in the middle of what we say may have said why."""
        try:
            reply = self._receive(LAST_WORDS_S, "its last words")
        except RelayError:
            return lost
        return ConnectionLost(reply) if not reply.is_positive else lost

    def _receive(self, timeout_s: float, after: str, while_waiting: Callable[[], None] | None = None) -> Reply:
        while True:
            try:
                reply = self._parser.next_reply()
            except BadReply as error:
                text = f"{self.target} broke the protocol while {_waiting(after)}: {error}"
                raise ConnectionLost(Reply(451, "4.5.0", text)) from None
            if reply is not None:
                return reply
            self._flush("sending a command")
            data = self._patiently(partial(self._sock.recv, 65536), timeout_s, _waiting(after), while_waiting)
            if not data:
                raise ConnectionLost(
                    Reply(451, "4.4.2", f"{self.target} closed the connection while {_waiting(after)}")
                )
            self._parser.receive_data(data)

    def _patiently(
        self,
        action: Callable[[], T],
        timeout_s: float,
        doing: str,
        while_waiting: Callable[[], None] | None = None,
    ) -> T:
        """Do a socket operation within the time limit, a slice at a time."""
        left = timeout_s * self._settings.time_scale
        limit = time.monotonic() + left
        slice_s = SHORT_SLICE_S
        while True:
            self._wait_at_most(min(left, slice_s))
            try:
                return action()
            except TimeoutError:
                pass
            except OSError as error:
                text = f"the connection to {self.target} was lost while {doing}: {_reason(error)}"
                raise ConnectionLost(Reply(451, "4.4.2", text)) from error
            if while_waiting is not None:
                while_waiting()
            self._settings.keepalive()
            slice_s = SLICE_S
            left = limit - time.monotonic()
            if left <= 0:
                raise ConnectionLost(Reply(451, "4.4.2", f"{self.target} was silent for too long while {doing}"))

    def _wait_at_most(self, seconds: float) -> None:
        # Each settimeout() is a system call.
        if seconds != self._timeout_s:
            self._sock.settimeout(seconds)
            self._timeout_s = seconds

    def _handshake(self) -> None:
        verify = self._tls_level == "verify"
        context = self._settings.verified if verify else self._settings.unverified
        self._flush("sending a command")
        self._wait_at_most(HANDSHAKE_S * self._settings.time_scale)
        try:
            wrapped = context.wrap_socket(self._sock, server_hostname=self.target.host.strip("[]") or None)
        except (OSError, ValueError) as error:
            text = f"the TLS handshake with {self.target} failed: {_reason(error)}"
            raise TlsFailed(Reply(451, "4.7.5", text)) from error
        self._sock, self._timeout_s = wrapped, None
        cipher = wrapped.cipher()
        self.tls = f"{wrapped.version()} {cipher[0] if cipher else ''}".strip()


def connect(target: Target, tls_level: str, settings: Settings, credentials: Credentials | None = None) -> Connection:
    """An open session. Raises ConnectFailed, SessionRefused, TlsFailed or ConnectionLost."""
    try:
        sock = socket.create_connection((target.address, target.port), timeout=CONNECT_S * settings.time_scale)
    except OSError as error:
        # Hung up before we could look (EPIPE where FIN came first): somebody is there (RFC 3463: X.4.2, not X.4.1).
        enhanced = "4.4.2" if isinstance(error, ConnectionResetError | BrokenPipeError) else "4.4.1"
        text = f"no connection to {target}: {_reason(error)}"
        raise ConnectFailed(Reply(451, enhanced, text)) from error
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client = Client(settings.hello_name, tls_level, credentials)
    connection = Connection(target, sock, client, settings, tls_level)
    try:
        connection.open()
    except SessionRefused as error:
        raise SessionRefused(_with_host(target, error.reply)) from error
    return connection


def _waiting(after: str) -> str:
    return f"waiting for the reply to {after}"


def _with_host(target: Target, reply: Reply) -> Reply:
    return Reply(reply.code, reply.enhanced, f"{target} refused to talk to us: {reply.text}")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
