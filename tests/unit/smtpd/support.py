"""A whole SMTP session without a socket: the protocol on a transport that keeps what is written."""

import asyncio
import ipaddress
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mailcore.clock import FakeClock
from mailcore.config.snapshot import DomainRecord, NetworkSet, Snapshot
from mailcore.delivery.batch import Arrival
from mailcore.directory.lookups import AccountRecord, AliasRecord
from mailcore.directory.memory import MemoryDirectory
from mailcore.errors import AuthenticationFailed
from mailcore.identity import AccountRef
from mailcore.maillog.event import Event
from mailcore.outcome import Delivered, Outcome
from mailcore.reply import Reply
from smtpd.client import MX
from smtpd.handler import Handler
from smtpd.limits import ClientCounts
from smtpd.protocol import Entrance, SMTPProtocol
from smtpd.services import Services

ALICE = AccountRecord(AccountRef(1, "alice@example.org", "maildir"))
BOB = AccountRecord(AccountRef(2, "bob@example.org", "mbox", quota_bytes=1000), used_bytes=1000)
TRUSTED, STRANGER = "192.0.2.1", "198.51.100.9"


def a_snapshot(**changes: Any) -> Snapshot:
    """example.org is ours, relay.example is relayed for, alias.example is example.org, 192.0.2.0/24 is trusted."""
    domains = {
        "example.org": DomainRecord("example.org", "local"),
        "relay.example": DomainRecord("relay.example", "relay"),
        "alias.example": DomainRecord("alias.example", "alias", "example.org"),
        "off.example": DomainRecord("off.example", "local", enabled=False),
    }
    snapshot = Snapshot(
        generation=1,
        myhostname="mail.example.org",
        mydomain="example.org",
        myorigin="example.org",
        domains=domains,
        mynetworks=NetworkSet((ipaddress.ip_network("192.0.2.0/24"),)),
    )
    return replace(snapshot, **changes)


def a_directory() -> MemoryDirectory:
    aliases = [
        AliasRecord("sales@example.org", ("alice@example.org", "carol@elsewhere.example")),
        AliasRecord("postmaster@example.org", ("alice@example.org",)),
    ]
    return MemoryDirectory([ALICE, BOB], aliases)


class FakeAuthenticator:
    """Knows that alice's password is "secret", and what is `over`: why no login counts any more."""

    def __init__(self) -> None:
        self.over: str | Exception = ""
        self.asked: list[tuple[str, str, str]] = []

    async def objection(self, account: AccountRecord, *, protocol: str, client_ip: str) -> str:
        self.asked.append((account.address, protocol, client_ip))
        if isinstance(self.over, Exception):
            raise self.over
        return self.over

    async def check(self, login: str, password: str, *, protocol: str, client_ip: str) -> AccountRecord:
        if (login, password) != ("alice@example.org", "secret"):
            raise AuthenticationFailed(login)
        return ALICE


@dataclass
class FixedConfig:
    snapshot: Snapshot

    def current(self) -> Snapshot:
        return self.snapshot


@dataclass
class Events:
    events: list[Event] = field(default_factory=list)

    def record(self, event: Event) -> None:
        self.events.append(event)

    def of(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


@dataclass
class Mailboxes:
    """Takes every message, or fails as told."""

    arrivals: list[Arrival] = field(default_factory=list)
    contents: list[bytes] = field(default_factory=list)
    error: Exception | None = None
    woken: int = 0

    async def submit(self, arrival: Arrival) -> list[Outcome]:
        if self.error is not None:
            raise self.error
        self.arrivals.append(arrival)
        content = arrival.content
        self.contents.append(content if isinstance(content, bytes) else content.read_bytes())
        return [Delivered(local.recipient, "local", Reply(250, "2.0.0", "delivered")) for local in arrival.local]

    async def wake_queue(self) -> None:
        self.woken += 1


async def at_once(fn: Callable[..., Any], *args: Any) -> Any:
    """offload.plain without threads."""
    return fn(*args)


class FakeNames:
    """ClientNames that answer when told to. Everybody is known as "unknown" unless `slow` says otherwise."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.slow: set[str] = set()
        self._waiting: list[tuple[str, asyncio.Event]] = []

    def known(self, address: str) -> str | None:
        return None if address in self.slow else self.names.get(address, "unknown")

    def find(self, address: str) -> asyncio.Task[str]:
        return asyncio.get_running_loop().create_task(self._find(address))

    async def _find(self, address: str) -> str:
        answered = asyncio.Event()
        self._waiting.append((address, answered))
        await answered.wait()
        return self.names[address]

    def answer(self, address: str, name: str) -> None:
        """The look-up is over; the session sees it with its next step."""
        self.names[address] = name
        for waiting, answered in self._waiting:
            if waiting == address:
                answered.set()


class FakeTransport(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self, peer: str) -> None:
        super().__init__({"peername": (peer, 40000)})
        self.written = bytearray()
        self.is_closed = False
        self.reading_paused = False

    def write(self, data: Any) -> None:
        self.written += data

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False


class Site:
    """The server behind the sessions of one test."""

    def __init__(self, incoming: Path, *, snapshot: Snapshot | None = None, directory: Any = None) -> None:
        self.config = FixedConfig(snapshot or a_snapshot())
        self.directory = directory or a_directory()
        self.authenticator = FakeAuthenticator()
        self.events = Events()
        self.names = FakeNames()
        self.mailboxes = Mailboxes()
        self.clock = FakeClock()
        self.incoming = incoming
        self.plain: Callable[..., Awaitable[Any]] = at_once
        self._handler: Handler | None = None
        self.open: set[SMTPProtocol] = set()
        self.dialogues: list[Dialogue] = []

    def close(self) -> None:
        for address in self.names.slow:
            self.names.answer(address, "unknown")
        for dialogue in self.dialogues:
            dialogue.hang_up()
            dialogue.loop.close()

    @property
    def services(self) -> Services:
        return Services(
            config=self.config,
            directory=self.directory,
            lists=NoLists(),
            authenticator=self.authenticator,
            recorder=self.events,
            names=self.names,
            counts=ClientCounts(self.clock),
            clock=self.clock,
            incoming=self.incoming,
            plain=self.plain,
            submit=self.mailboxes.submit,
            wake_queue=self.mailboxes.wake_queue,
        )

    @property
    def handler(self) -> Handler:
        if self._handler is None:
            self._handler = Handler(self.services)
        return self._handler


class NoLists:
    def members(self, path: str) -> list[str]:
        raise AssertionError(path)


class Dialogue:
    """One session. `say` sends bytes and returns what the server answers to them."""

    def __init__(self, site: Site, *, peer: str = STRANGER, listener: str = MX) -> None:
        self.loop = asyncio.new_event_loop()
        site.dialogues.append(self)
        entrance = Entrance(site.handler, listener, lambda: None, site.open)
        self.transport = FakeTransport(peer)
        self.protocol = SMTPProtocol(entrance, self.loop)
        self.protocol.connection_made(self.transport)
        self._seen = 0
        self.greeting = self._settle()

    def say(self, *blocks: bytes) -> bytes:
        for block in blocks:
            self.protocol.data_received(block)
            self._spin()
        return self._settle()

    def code(self, *blocks: bytes) -> bytes:
        """The last reply's code."""
        return self.say(*blocks).splitlines()[-1][:3]

    def hello(self) -> "Dialogue":
        assert self.code(b"EHLO client.example\r\n") == b"250"
        return self

    def hang_up(self) -> None:
        self.protocol.connection_lost(None)
        self._settle()

    @property
    def is_closed(self) -> bool:
        return self.transport.is_closed

    def _spin(self) -> None:
        for _ in range(20):
            self.loop.call_soon(self.loop.stop)
            self.loop.run_forever()

    def _settle(self) -> bytes:
        self._spin()
        new = bytes(self.transport.written[self._seen :])
        self._seen = len(self.transport.written)
        return new
