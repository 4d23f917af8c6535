"""Whose settings are asked for: a domain of ours, by an address or by the host that was asked.

Only the domain is looked up, never the account, so an address that exists is answered like one that does not.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailadmin.database import raw_connection
from mailadmin.directory.client_settings import ClientService, client_services
from mailadmin.directory.models import Account, Domain
from mailcore.address import parse_domain
from mailcore.config.loader import load_snapshot
from mailcore.errors import AddressSyntaxError

HOST_PREFIXES = ("autoconfig.", "autodiscover.")
# RFC 5321 section 4.5.3.1: what is longer is no address.
MAX_ADDRESS = 320


@dataclass(frozen=True, slots=True)
class ServedDomain:
    """A domain of ours; in an alias domain people log in with their address in the domain it stands for."""

    name: str
    login_domain: str
    services: list[ClientService]

    def login_of(self, local_part: str) -> str:
        """What is typed as user name."""
        return f"{local_part}@{self.login_domain}"


def served_domain(name: str, account: Account | None = None) -> ServedDomain | None:
    """The enabled domain of that name whose mailboxes are here, with the services that are on (and that this account
    may use); None if we do not serve it.
    """
    try:
        wanted = parse_domain(name.strip())
    except AddressSyntaxError:
        return None
    domain = Domain.objects.filter(pk=wanted, enabled=True).exclude(kind=Domain.Kind.RELAY).first()
    if domain is None:
        return None
    services = client_services(load_snapshot(raw_connection()).myhostname, account)
    return ServedDomain(domain.name, domain.alias_of_id or domain.name, services)


def domain_of_host(host: str) -> str:
    """The mail domain in a host name: "autoconfig.example.org:443" is about example.org."""
    name = host.partition(":")[0].lower().rstrip(".")
    prefix = next((prefix for prefix in HOST_PREFIXES if name.startswith(prefix)), "")
    return name.removeprefix(prefix)


def split_address(text: str) -> tuple[str, str] | None:
    """Local part and domain of something that looks like an address; None if it does not."""
    local, at, domain = text.strip().rpartition("@")
    return (local, domain) if at and local and domain and len(text) <= MAX_ADDRESS else None
