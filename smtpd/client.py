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
from mailcore.proxied import Origin
from smtpd.client_name import THIS_MACHINE, UNKNOWN

MX, SUBMISSION, SUBMISSIONS = "mx", "submission", "submissions"
PICKUP = "pickup"  # no connection: left in the maildrop by a local user


@dataclass(slots=True)
class Client:
    """One connection's client. `extended` after EHLO; `tls` and `account` once there are any.

    What happens before it is to be recorded waits in `unrecorded`: while `naming` runs, for the name; while it
    `is_quiet`, as health checks are, for the first sign that it is more than that.
    """

    address: str
    listener: str
    name: str = UNKNOWN
    helo: str = ""
    extended: bool = False
    tls: TlsUsed | None = None
    account: AccountRecord | None = None
    # The generation of the configuration with which the account was last found to be right.
    generation: int = 0
    session_id: str = field(default_factory=new_session_id)
    naming: asyncio.Task[str] | None = None
    is_balancer: bool = False
    is_quiet: bool = False
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
    def may_be_probe(self) -> bool:
        """Whether it is from here or from the balancer itself, as health checks are."""
        return self.is_balancer or self.address in THIS_MACHINE

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
    return Client(address_of(host), listener)


def client_from(origin: Origin, listener: str) -> Client:
    """The client that a trusted balancer speaks of. TLS that ends at the balancer is the client's all the same."""
    tls = TlsUsed(origin.tls.version, origin.tls.cipher, 0) if origin.tls else None
    return Client(address_of(origin.host), listener, tls=tls, is_balancer=origin.is_balancer)


@lru_cache(maxsize=4096)
def address_of(host: str) -> str:
    """An address as everything here has it: IPv4 is shown as IPv4, what is no address as "unknown"."""
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
