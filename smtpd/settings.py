"""What the SMTP program is told by its environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mailcore.sockets import parse_addresses
from smtpd.client import MX, SUBMISSION, SUBMISSIONS


@dataclass(frozen=True, slots=True)
class Settings:
    """Addresses, ports (0: that listener is off), folders and servers."""

    home: Path
    database_url: str
    redis_url: str
    listen_addresses: tuple[str, ...]
    ports: Mapping[str, int]
    tls_cert: Path
    tls_key: Path
    # Pool threads, each with a database connection.
    threads: int = 6
    # The number of this process among those of its role.
    worker: int = 1
    # "host:port" of a name server in place of the system's.
    dns_server: str = ""
    # Those whose connections begin with a PROXY header.
    proxied_ports: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def from_env(cls, environment: Mapping[str, str] = os.environ, *, worker: int = 1) -> Settings:
        """Read it. Raises KeyError without DATABASE_URL or REDIS_URL."""
        home = Path(environment.get("MAIL_HOME") or "var").absolute()
        return cls(
            home=home,
            database_url=environment["DATABASE_URL"],
            redis_url=environment["REDIS_URL"],
            listen_addresses=parse_addresses(environment.get("LISTEN_ADDRESS") or "127.0.0.1"),
            ports={
                MX: int(environment.get("SMTP_PORT", "2525") or 0),
                SUBMISSION: int(environment.get("SUBMISSION_PORT", "2587") or 0),
                SUBMISSIONS: int(environment.get("SUBMISSIONS_PORT", "2465") or 0),
            },
            tls_cert=Path(environment.get("TLS_CERT") or home / "tls" / "cert.pem"),
            tls_key=Path(environment.get("TLS_KEY") or home / "tls" / "key.pem"),
            threads=int(environment.get("SMTPD_THREADS") or 6),
            worker=worker,
            dns_server=environment.get("DNS_SERVER", ""),
            proxied_ports={
                MX: int(environment.get("SMTP_PROXY_PORT") or 0),
                SUBMISSION: int(environment.get("SUBMISSION_PROXY_PORT") or 0),
                SUBMISSIONS: int(environment.get("SUBMISSIONS_PROXY_PORT") or 0),
            },
        )
