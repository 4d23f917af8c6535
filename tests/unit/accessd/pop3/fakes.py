"""What a POP3 session stands on, in memory: connection, pool, mailboxes, authenticator."""

import asyncio
import io
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

from accessd.pop3.session import Pop3Session
from mailcore.directory.lookups import AccountRecord
from mailcore.errors import AuthenticationFailed, MessageGone
from mailcore.identity import AccountRef
from mailcore.index.records import FlagRow, Flags, MailboxRecord, OpenMailbox
from mailcore.message.wire import to_wire
from mailcore.store.base import StoredMessage

ALICE = AccountRecord(AccountRef(7, "alice@example.org"))
SETTINGS = SimpleNamespace(plaintext_auth="never", mynetworks={"10.0.0.1"}, login_delay=0, oauth_issuers=())


class FakeConnection:
    """Gives the session what a client sends and keeps, in order, what was said by whom."""

    def __init__(self, chunks, *, tls=True, peer="192.0.2.1", has_certificate=True):
        self._chunks = list(chunks)
        self._has_certificate = has_certificate
        self.tls = tls
        self.end_point = None
        self.peer = peer
        self.said = []
        self.closed = False
        self.handshakes = 0
        self.farewell = ""
        self.on_silent = None

    @property
    def may_start_tls(self):
        return self._has_certificate and not self.tls

    async def read_some(self):
        if not self._chunks:
            return b""
        chunk = self._chunks.pop(0)
        self.said.append(("C", chunk))
        return chunk

    def write(self, data):
        assert not self.closed
        self.said.append(("S", data))

    async def drain(self):
        pass

    async def start_tls(self):
        self.tls = True
        self.handshakes += 1

    def close(self):
        self.closed = True

    @property
    def answers(self):
        return b"".join(data for who, data in self.said if who == "S")


class FakeOffload:
    """Runs units of work at once; the connection they get is this object's `conn`."""

    conn = object()

    def __init__(self):
        self.calls = []

    async def __call__(self, function, *args, **kwargs):
        self.calls.append(function.__name__)
        return function(self.conn, *args, **kwargs)

    async def plain(self, function, *args):
        return function(*args)


class FakeMailboxes:
    """Stands for mailcore.mailbox, mailcore.index and a store: one INBOX of messages in disk form."""

    def __init__(self, messages):
        self.messages = dict(enumerate(messages, 101))
        self.seen = set()
        self.record = MailboxRecord(3, 7, "INBOX", 1700000000, 200, 1, 1, "", 0, 0, 0)
        self.failure = None

    def ensure_account(self, conn, storage, account):
        folder = storage.root / "example.org" / "alice"
        folder.mkdir(parents=True, exist_ok=True)

    def open_mailbox(self, conn, storage, account, name, *, read_only=False):
        assert (name, read_only) == ("INBOX", True)
        return OpenMailbox(self.record, list(self.messages), 1)

    def rows(self, conn, mailbox_id, uids=None):
        now = datetime(2025, 11, 20, tzinfo=UTC)
        return [
            FlagRow(uid, 1, int(uid in self.seen), [], StoredMessage(io.BytesIO(text)).wire_size, now)
            for uid, text in self.messages.items()
        ]

    def open_message(self, conn, storage, account, mailbox, uid):
        if self.failure is not None:
            raise self.failure
        if uid not in self.messages:
            raise MessageGone(f"uid {uid}")
        return StoredMessage(io.BytesIO(self.messages[uid]))

    def message_rows(self, conn, mailbox_id, uids):
        if self.failure is not None:
            raise self.failure
        return [
            SimpleNamespace(uid=uid, store_key=str(uid), size=len(to_wire(self.messages[uid])), as_flags=Flags)
            for uid in uids
            if uid in self.messages
        ]

    def read_each(self, mailbox, messages, *, at_most=None):
        assert (mailbox, at_most) == ("INBOX", None)
        found = [self.messages.get(int(key)) for key, _ in messages]
        return [None if data is None else to_wire(data) for data in found]

    def expunge(self, conn, storage, account, mailbox, uids=None, *, only_deleted=True):
        assert only_deleted is False
        if self.failure is not None:
            raise self.failure
        for uid in uids:
            self.messages.pop(uid, None)
        return list(uids)

    def set_flags(self, conn, storage, account, mailbox, uids, change):
        self.seen.update(uids)


class FakeAuthenticator:
    """alice's password is "a secret"."""

    def __init__(self):
        self.failure = None

    async def check(self, login, password, *, protocol, client_ip):
        assert protocol == "pop3"
        if self.failure is not None:
            raise self.failure
        if (login, password) != ("alice@example.org", "a secret"):
            raise AuthenticationFailed(login)
        return ALICE


@dataclass
class FakeContext:
    """accessd.context.Context without a process around it."""

    storage: SimpleNamespace
    offload: FakeOffload = field(default_factory=FakeOffload)
    authenticator: FakeAuthenticator = field(default_factory=FakeAuthenticator)
    settings: SimpleNamespace = field(default_factory=lambda: SimpleNamespace(**vars(SETTINGS)))
    events: list = field(default_factory=list)
    announced: list = field(default_factory=list)

    @property
    def limits(self):
        """No limits: tests/integration/test_access_limits.py has them."""
        return SimpleNamespace(log_in=lambda connection, account: None, log_out=lambda connection: None)

    @property
    def config(self):
        return SimpleNamespace(current=lambda: self.settings)

    @property
    def recorder(self):
        return SimpleNamespace(record=self.events.append)

    @property
    def hub(self):
        return SimpleNamespace(announce=self.announced.extend)


class WaitingConnection(FakeConnection):
    """A client that is silent until `go_on`, and then gone."""

    def __init__(self, chunks):
        super().__init__(chunks)
        self.idle = asyncio.Event()
        self.go_on = asyncio.Event()

    def wake_with(self, data):
        """The client speaks again, and then is gone."""
        self._chunks.append(data)
        self.go_on.set()

    async def read_some(self):
        if not self._chunks:
            self.idle.set()
            await self.go_on.wait()
        return await super().read_some()


def talk(context, chunks, **how):
    connection = FakeConnection(chunks, **how)
    asyncio.run(Pop3Session(context).run(connection))
    return connection


def expect(context, transcript, **how):
    """Run the client's lines against a session; the whole conversation must be the transcript."""
    lines = transcript.strip().splitlines()
    connection = talk(context, [line[3:].encode() + b"\r\n" for line in lines if line.startswith("C:")], **how)
    said = [
        f"{who}: {line}".rstrip()
        for who, data in connection.said
        for line in data.decode().removesuffix("\r\n").split("\r\n")
    ]
    assert said == [line.rstrip() for line in lines]
    return connection
