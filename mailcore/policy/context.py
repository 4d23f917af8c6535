"""What the rules of each stage look at. Values only: everything was looked up before the rules are asked."""

from __future__ import annotations

from dataclasses import dataclass

from mailcore.address import Address
from mailcore.config.snapshot import Snapshot
from mailcore.identity import AccountRef
from mailcore.routing.route import Routes


@dataclass(frozen=True, slots=True)
class ClientContext:
    """Who is asking. `account` is whom it has logged in as; `submits` on the submission ports."""

    address: str
    is_trusted: bool = False
    account: AccountRef | None = None
    submits: bool = False
    tls: bool = False

    @property
    def may_relay(self) -> bool:
        """Known networks and authenticated users may send to the world through us."""
        return self.is_trusted or self.account is not None


@dataclass(frozen=True, slots=True)
class ConnectContext:
    """A new connection; `connections` counts this one and the others of the client."""

    config: Snapshot
    client: ClientContext
    connections: int


@dataclass(frozen=True, slots=True)
class MailContext:
    """MAIL FROM. `sender` is qualified; `sender_routes` say where mail to it would go, when its domain is ours.

    `recent_messages` counts the client's messages of the last minute without this one.
    """

    config: Snapshot
    client: ClientContext
    sender: Address | None
    is_qualified: bool = True
    size: int = 0
    recent_messages: int = 0
    sender_routes: Routes | None = None


@dataclass(frozen=True, slots=True)
class RcptContext:
    """RCPT TO. `accepted` counts the recipients of this transaction so far, `size` is what MAIL announced."""

    config: Snapshot
    client: ClientContext
    routes: Routes
    is_qualified: bool = True
    accepted: int = 0
    size: int = 0


@dataclass(frozen=True, slots=True)
class DataContext:
    """The whole message: its size in wire form and how many Received fields it brought."""

    config: Snapshot
    client: ClientContext
    size: int
    hops: int
