"""What the appliance runs and where it listens: read once from the environment, then handed on as values."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mailadmin.appliance.home import CODE, mail_home
from mailcore.sockets import parse_addresses

# Variable, default port, what it is for, which program listens there, and how a client may talk to it at once.
PORTS = (
    ("SMTP_PORT", 2525, "SMTP", "smtpd"),
    ("SUBMISSION_PORT", 2587, "submission, STARTTLS", "smtpd"),
    ("SUBMISSIONS_PORT", 2465, "submission, TLS", "smtpd"),
    ("IMAP_PORT", 2143, "IMAP, STARTTLS", "accessd"),
    ("IMAPS_PORT", 2993, "IMAP, TLS", "accessd"),
    ("POP3_PORT", 2110, "POP3, STARTTLS", "accessd"),
    ("POP3S_PORT", 2995, "POP3, TLS", "accessd"),
    ("WEB_PORT", 8000, "panel, webmail, API", "web"),
    # For balancers: each connection begins with a PROXY header. Off unless set.
    ("SMTP_PROXY_PORT", 0, "SMTP behind a balancer", "smtpd"),
    ("SUBMISSION_PROXY_PORT", 0, "submission behind a balancer, STARTTLS", "smtpd"),
    ("SUBMISSIONS_PROXY_PORT", 0, "submission behind a balancer, TLS", "smtpd"),
    ("IMAP_PROXY_PORT", 0, "IMAP behind a balancer, STARTTLS", "accessd"),
    ("IMAPS_PROXY_PORT", 0, "IMAP behind a balancer, TLS", "accessd"),
    ("POP3_PROXY_PORT", 0, "POP3 behind a balancer, STARTTLS", "accessd"),
    ("POP3S_PROXY_PORT", 0, "POP3 behind a balancer, TLS", "accessd"),
)
EMBEDDED_PORTS = {"PG_PORT": 5440, "REDIS_PORT": 6390}


class ConfigurationError(Exception):
    """The environment says something that cannot be meant."""


@dataclass(frozen=True, slots=True)
class Listener:
    """One listening socket of the whole appliance."""

    variable: str
    host: str
    port: int
    purpose: str
    role: str

    @property
    def address(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything the appliance needs to know before it starts anything."""

    home: Path
    listen_addresses: tuple[str, ...]
    ports: Mapping[str, int]
    domain: str
    smtpd_workers: int
    accessd_workers: int
    web_workers: int
    queue_workers: int
    database_url: str
    redis_url: str
    tls_cert: Path
    tls_key: Path
    given_public_url: str

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> "Configuration":
        """Read it. Raises ConfigurationError."""
        home = mail_home(environment)
        cores = os.cpu_count() or 1
        return cls(
            home=home,
            listen_addresses=_addresses(environment.get("LISTEN_ADDRESS") or "127.0.0.1"),
            ports={name: _port(environment, name, default) for name, default in _all_ports().items()},
            domain=(environment.get("MAIL_DOMAIN") or "mailkeep.test").lower(),
            smtpd_workers=_number(environment, "SMTPD_WORKERS", _smtpd_workers(cores)),
            accessd_workers=_number(environment, "ACCESSD_WORKERS", min(cores, 4)),
            web_workers=_number(environment, "WEB_WORKERS", 2),
            queue_workers=_number(environment, "QUEUE_WORKERS", 4),
            database_url=environment.get("DATABASE_URL", ""),
            redis_url=environment.get("REDIS_URL", ""),
            tls_cert=Path(environment.get("TLS_CERT") or home / "tls" / "cert.pem"),
            tls_key=Path(environment.get("TLS_KEY") or home / "tls" / "key.pem"),
            given_public_url=environment.get("PUBLIC_URL", "").rstrip("/"),
        )

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """Every socket that will be opened to clients; a port of 0 turns its listener off."""
        return tuple(
            Listener(variable, host, self.ports[variable], purpose, role)
            for variable, _, purpose, role in PORTS
            if self.ports[variable]
            for host in self.listen_addresses
        )

    @property
    def embeds_postgres(self) -> bool:
        return not self.database_url

    @property
    def embeds_valkey(self) -> bool:
        return not self.redis_url

    @property
    def public_url(self) -> str:
        """Where a browser on this machine finds the panel."""
        host = client_host(self.listen_addresses[0])
        return self.given_public_url or f"http://{host}:{self.ports['WEB_PORT']}"

    def child_environment(self, database_url: str, redis_url: str) -> dict[str, str]:
        """What every program is told, beside what it inherits."""
        return {
            "MAIL_HOME": str(self.home),
            "DATABASE_URL": database_url,
            "REDIS_URL": redis_url,
            "LISTEN_ADDRESS": ",".join(self.listen_addresses),
            "MAIL_DOMAIN": self.domain,
            "TLS_CERT": str(self.tls_cert),
            "TLS_KEY": str(self.tls_key),
            "PUBLIC_URL": self.given_public_url,
            "QUEUE_WORKERS": str(self.queue_workers),
            "SMTPD_WORKERS": str(self.smtpd_workers),
            "ACCESSD_WORKERS": str(self.accessd_workers),
            **{name: str(port) for name, port in self.ports.items()},
        }


def program_environment(environment: Mapping[str, str], extra: Mapping[str, str]) -> dict[str, str]:
    """The whole environment of one of our programs. PYTHONPATH puts our smtpd ahead of the standard library's."""
    path = os.pathsep.join([str(CODE), *filter(None, [environment.get("PYTHONPATH")])])
    scripts = str(Path(sys.executable).parent)
    return {
        # Large blocks go back to the system when they are freed. Otherwise glibc learns from the first check of a
        # password to keep them, 19 MiB in each thread.
        "MALLOC_MMAP_THRESHOLD_": "1048576",
        **environment,
        **extra,
        "PYTHONPATH": path,
        "PYTHONUNBUFFERED": "1",
        "PATH": os.pathsep.join([scripts, environment.get("PATH", os.defpath)]),
        "DJANGO_SETTINGS_MODULE": "mailadmin.settings",
    }


def client_host(listening: str) -> str:
    """The address by which a client on this machine reaches a listener."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "*": "127.0.0.1"}.get(
        listening, f"[{listening}]" if ":" in listening else listening
    )


def _all_ports() -> dict[str, int]:
    return {variable: default for variable, default, _, _ in PORTS} | EMBEDDED_PORTS


def _addresses(text: str) -> tuple[str, ...]:
    found = parse_addresses(text)
    if not found:
        raise ConfigurationError("LISTEN_ADDRESS is empty")
    return found


def _port(environment: Mapping[str, str], name: str, default: int) -> int:
    """A port; empty or 0 is off, unset is the default."""
    text = environment.get(name)
    if text is None:
        return default
    if not text.strip():
        return 0
    if not text.strip().isdigit() or int(text) > 65535:
        raise ConfigurationError(f"{name}={text} is not a port")
    return int(text)


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not text.isdigit() or int(text) < 1:
        raise ConfigurationError(f"{name}={text} is not a number of processes")
    return int(text)


def _smtpd_workers(cores: int) -> int:
    """One process serves a small machine well, since a batch is the larger the fewer collect it; each has another one
    beside it that commits.
    """
    return 1 if cores < 4 else min(cores // 2, 4)
