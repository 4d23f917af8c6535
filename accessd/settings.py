"""What accessd needs to know before it can read its configuration from the database: addresses, ports, paths."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mailcore.sockets import parse_addresses

Protocol = Literal["imap", "pop3"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One port: which protocol, whether it begins with TLS, and whether a PROXY header comes before all that."""

    protocol: Protocol
    port: int
    implicit_tls: bool
    proxied: bool = False

    @property
    def name(self) -> str:
        """As the process reports it."""
        return self.protocol + ("s" if self.implicit_tls else "") + ("-proxy" if self.proxied else "")


@dataclass(frozen=True, slots=True)
class Settings:
    """From the environment; see `from_env` for the names and defaults."""

    database_url: str
    redis_url: str
    mail_home: Path
    addresses: tuple[str, ...]
    endpoints: tuple[Endpoint, ...]
    tls_cert: Path
    tls_key: Path
    threads: int

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> Settings:
        """Empty or 0 turns a port off."""
        home = Path(environ.get("MAIL_HOME") or "var").resolve()
        return cls(
            database_url=environ.get("DATABASE_URL", ""),
            redis_url=environ.get("REDIS_URL", ""),
            mail_home=home,
            addresses=parse_addresses(environ.get("LISTEN_ADDRESS") or "127.0.0.1"),
            endpoints=_endpoints(environ),
            tls_cert=Path(environ.get("TLS_CERT") or home / "tls" / "cert.pem"),
            tls_key=Path(environ.get("TLS_KEY") or home / "tls" / "key.pem"),
            threads=int(environ.get("ACCESSD_THREADS") or 8),
        )

    @property
    def maillog(self) -> Path:
        """The maillog file."""
        return self.mail_home / "log" / "maillog"

    @property
    def mail_root(self) -> Path:
        """Where the stores are."""
        return self.mail_home / "mail"


_PORTS: tuple[tuple[str, str, Protocol, bool, bool], ...] = (
    ("IMAP_PORT", "2143", "imap", False, False),
    ("IMAPS_PORT", "2993", "imap", True, False),
    ("POP3_PORT", "2110", "pop3", False, False),
    ("POP3S_PORT", "2995", "pop3", True, False),
    ("IMAP_PROXY_PORT", "", "imap", False, True),
    ("IMAPS_PROXY_PORT", "", "imap", True, True),
    ("POP3_PROXY_PORT", "", "pop3", False, True),
    ("POP3S_PROXY_PORT", "", "pop3", True, True),
)


def _endpoints(environ: Mapping[str, str]) -> tuple[Endpoint, ...]:
    chosen = [
        Endpoint(protocol, int(environ.get(name, default) or 0), tls, proxied)
        for name, default, protocol, tls, proxied in _PORTS
    ]
    return tuple(endpoint for endpoint in chosen if endpoint.port)
