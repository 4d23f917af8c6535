"""A client connection to one host: performs the dialogue of mailcore.relay.client on a socket, blocking.

Whatever goes wrong ends the session, and is a reply that says what and with whom.
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mailcore.relay.client import Client, Credentials
from mailcore.relay.errors import ConnectionLost, RelayError, SessionRefused
from mailcore.relay.mx import Target
from mailcore.relay.outgoing import OutgoingMail
from mailcore.relay.steps import Dialogue, Receive, Send, SendContent, Sent, StartTls, Step
from mailcore.relay.transaction import Transaction
from mailcore.relay.wire import Wire, dial
from mailcore.reply import Reply
from mailcore.smtp.data import DataWriter
from mailcore.smtp.reply_parser import BadReply, ReplyParser

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

    def __init__(self, target: Target, wire: Wire, client: Client, settings: Settings, tls_level: str) -> None:
        self.target = target
        self.tls = ""
        self._wire = wire
        self._client = client
        self._settings = settings
        self._tls_level = tls_level
        self._parser = ReplyParser()
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
        self._wire.close()

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
        self._wire.gather(data)
        if self._wire.is_full:
            self._flush("sending the message")

    def _flush(self, doing: str) -> None:
        """Send what was gathered."""
        try:
            self._wire.flush(doing)
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
            self._parser.receive_data(self._wire.receive(timeout_s, _waiting(after), while_waiting))

    def _handshake(self) -> None:
        verify = self._tls_level == "verify"
        self._flush("sending a command")
        self.tls = self._wire.start_tls(self._settings.verified if verify else self._settings.unverified)


def connect(target: Target, tls_level: str, settings: Settings, credentials: Credentials | None = None) -> Connection:
    """An open session. Raises ConnectFailed, SessionRefused, TlsFailed or ConnectionLost."""
    wire = Wire(target, dial(target, settings.time_scale), settings.time_scale, settings.keepalive)
    client = Client(settings.hello_name, tls_level, credentials)
    connection = Connection(target, wire, client, settings, tls_level)
    try:
        connection.open()
    except SessionRefused as error:
        raise SessionRefused(_with_host(target, error.reply)) from error
    return connection


def _waiting(after: str) -> str:
    return f"waiting for the reply to {after}"


def _with_host(target: Target, reply: Reply) -> Reply:
    return Reply(reply.code, reply.enhanced, f"{target} refused to talk to us: {reply.text}")
