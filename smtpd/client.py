"""Who is at the other end of one SMTP connection: what the session has learned so far."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass, field
from functools import lru_cache

from mailcore.config.snapshot import Snapshot, plain_address
from mailcore.directory.lookups import AccountRecord
from mailcore.ids import new_session_id
from mailcore.maillog.event import Event
from mailcore.message.trace import TlsUsed
from mailcore.policy.context import ClientContext
from smtpd.client_name import THIS_MACHINE, UNKNOWN

MX, SUBMISSION, SUBMISSIONS = "mx", "submission", "submissions"
PICKUP = "pickup"  # no connection: left in the maildrop by a local user


@dataclass(slots=True)
class Client:
    """One connection's client. `extended` after EHLO; `tls` and `account` once there are any.

    What happens before it is to be recorded waits in `unrecorded`: while `naming` runs, for the name; in a connection
    of this machine, for a hello.
    """

    address: str
    listener: str
    name: str = UNKNOWN
    helo: str = ""
    extended: bool = False
    tls: TlsUsed | None = None
    account: AccountRecord | None = None
    session_id: str = field(default_factory=new_session_id)
    naming: asyncio.Task[str] | None = None
    unrecorded: list[Event] = field(default_factory=list)

    def context(self, snapshot: Snapshot) -> ClientContext:
        """What policy may know."""
        return ClientContext(
            address=self.address,
            is_trusted=self.listener == PICKUP or self.address in snapshot.mynetworks,
            account=self.account.ref if self.account else None,
            submits=self.listener in (SUBMISSION, SUBMISSIONS),
            tls=self.tls is not None,
        )

    @property
    def is_this_machine(self) -> bool:
        """Whether it connects from here, as health checks do."""
        return self.address in THIS_MACHINE

    @property
    def account_address(self) -> str:
        """Whom the client has logged in as, "" for nobody."""
        return self.account.address if self.account else ""

    @property
    def tls_text(self) -> str:
        """For the trace: "TLSv1.3 TLS_AES_256_GCM_SHA384"."""
        return f"{self.tls.version} {self.tls.cipher}" if self.tls else ""


def client_of(peername: object, listener: str) -> Client:
    """The client behind a socket's peer name; an IPv4 client of an IPv6 socket is shown as IPv4."""
    host = str(peername[0]) if isinstance(peername, tuple) and peername else ""
    return Client(_address(host), listener)


@lru_cache(maxsize=4096)
def _address(host: str) -> str:
    try:
        return str(plain_address(host))
    except ValueError:
        return "unknown"


def tls_of(ssl_object: ssl.SSLObject | None) -> TlsUsed | None:
    """What was negotiated, None without TLS."""
    if ssl_object is None:
        return None
    name, _, bits = ssl_object.cipher() or ("unknown", "", 0)
    return TlsUsed(ssl_object.version() or "TLS", name, bits)
