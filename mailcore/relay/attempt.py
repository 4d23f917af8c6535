"""One next hop, tried: envelope and hosts in, one outcome per recipient out.

A host that cannot be reached or will not talk is passed over for the next one (RFC 5321 section 5.1); what it says
about a recipient or a message counts. The connection is kept for the next message of the same lease. When no host can
be reached, the other messages of the lease share the answer instead of each waiting for it again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from mailcore.config.snapshot import NextHop
from mailcore.envelope import Recipient
from mailcore.outcome import Deferred, Delivered, Failed, Outcome
from mailcore.relay.client import Credentials
from mailcore.relay.connection import Connection, Settings, connect
from mailcore.relay.errors import ConnectFailed, RelayError, TlsFailed
from mailcore.relay.mx import Target
from mailcore.relay.outgoing import OutgoingMail
from mailcore.relay.transaction import Transaction
from mailcore.reply import Reply

Content = Callable[[], Iterable[bytes]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """Outcomes in the order of the mail's recipients. `reports_itself`: the next host took over the DSN wishes."""

    outcomes: tuple[Outcome, ...]
    reports_itself: bool = False


def _nothing() -> None:
    return None


class HopSender:
    """Sends message after message to one next hop. `resolve` gives the hosts, or raises NoRoute."""

    def __init__(
        self,
        hop: NextHop,
        resolve: Callable[[], Sequence[Target]],
        settings: Settings,
        credentials: Credentials | None = None,
    ) -> None:
        self.unreachable: Reply | None = None
        self._hop = hop
        self._resolve = resolve
        self._settings = settings
        self._credentials = credentials
        self._connection: Connection | None = None

    def send(
        self,
        mail: OutgoingMail,
        content: Content,
        while_waiting: Callable[[], None] = _nothing,
        following: Callable[[], OutgoingMail | None] = _nothing,
    ) -> Attempt:
        """Try `mail` once. `while_waiting` is called where there is time: before connecting, or while the server
        thinks. `following` may name the mail that is sent next: its envelope goes along with this content. What these
        or `content` raise comes out."""
        if self.unreachable is not None:
            return self._all(mail, "none", self.unreachable)
        if self._connection is not None and not self._connection.usable:
            self._connection = None
        is_fresh = self._connection is None
        try:
            connection = self._connected(while_waiting)
        except RelayError as error:
            self.unreachable = error.reply
            return self._all(mail, "none", error.reply)
        transaction = connection.send(mail, content, while_waiting, following)
        if not (connection.usable or is_fresh or transaction.begun):
            # The server had enough of this connection before it heard of this message: a new one, once.
            return self.send(mail, content, while_waiting, following)
        return _attempt(connection, transaction)

    @property
    def is_connected(self) -> bool:
        """Whether another message can go over the connection there is."""
        return self._connection is not None and self._connection.usable

    def close(self) -> None:
        """End the session, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _connected(self, while_waiting: Callable[[], None]) -> Connection:
        if self._connection is None:
            while_waiting()
            self._connection = self._connect_to_any(self._resolve())
        return self._connection

    def _connect_to_any(self, targets: Sequence[Target]) -> Connection:
        errors: list[RelayError] = []
        for target in targets:
            self._settings.keepalive()
            try:
                return self._connect(target)
            except RelayError as error:
                errors.append(error)
        raise _most_hopeful(errors)

    def _connect(self, target: Target) -> Connection:
        try:
            return connect(target, self._hop.tls, self._settings, self._credentials)
        except TlsFailed:
            # Opportunistic TLS: mail rather goes in clear than not at all; but never a password.
            if self._hop.tls != "may" or self._credentials is not None:
                raise
        return connect(target, "none", self._settings)

    def _all(self, mail: OutgoingMail, relay: str, reply: Reply) -> Attempt:
        return Attempt(tuple(_outcome(recipient, relay, reply, "") for recipient in mail.recipients))


def _attempt(connection: Connection, transaction: Transaction) -> Attempt:
    relay = str(connection.target)
    outcomes = tuple(
        _outcome(recipient, relay, transaction.replies[recipient], connection.tls)
        for recipient in transaction.mail.recipients
    )
    return Attempt(outcomes, reports_itself=connection.passes_on_dsn)


def _outcome(recipient: Recipient, relay: str, reply: Reply, tls: str) -> Outcome:
    if reply.is_positive:
        return Delivered(recipient, relay, reply, tls)
    if reply.is_permanent:
        return Failed(recipient, relay, reply, tls)
    return Deferred(recipient, relay, reply, tls)


def _most_hopeful(errors: Sequence[RelayError]) -> RelayError:
    """What to say when no host took us: a temporary answer if there is any, words of a host before our own."""
    temporary = [error for error in errors if error.reply.is_temporary]
    spoken = [error for error in temporary if not isinstance(error, ConnectFailed)]
    return (spoken or temporary or list(errors))[-1]
