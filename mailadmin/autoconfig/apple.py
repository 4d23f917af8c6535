"""Apple's configuration profiles (.mobileconfig) for Mail on iPhone, iPad and Mac: payload com.apple.mail.managed.

A profile holds no password: the device asks for it, and for the address where the profile is for a whole domain. Its
identifiers follow from what it is for, so that installing it again replaces the one before.
"""

from __future__ import annotations

import plistlib
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from mailadmin.autoconfig.served import ServedDomain
from mailadmin.directory.client_settings import IMPLICIT, ClientService

CONTENT_TYPE = "application/x-apple-aspen-config"


def can_be_profiled(services: list[ClientService]) -> bool:
    """A profile needs a service to read and one to send."""
    return _first(services, "IMAP", "POP3") is not None and _first(services, "SMTP") is not None


def profile(domain: ServedDomain, *, address: str = "", display_name: str = "") -> bytes:
    """The profile of an account, or of a whole domain. Needs `can_be_profiled(domain.services)`."""
    identifier = f"{_reversed(domain.name)}.{_safe(address.rpartition('@')[0]) or 'any'}.mailkeep"
    mail = _mail_payload(domain, address, display_name)
    title = f"Mail of {address or domain.name}"
    return plistlib.dumps({
        **_payload("Configuration", identifier, title),
        "PayloadDescription": f"Sets up {address or f'an address of {domain.name}'} in Mail.",
        "PayloadOrganization": domain.name,
        "PayloadRemovalDisallowed": False,
        "PayloadContent": [{**_payload("com.apple.mail.managed", f"{identifier}.mail", title), **mail}],
    })  # fmt: skip


def _payload(kind: str, identifier: str, title: str) -> dict[str, Any]:
    return {
        "PayloadType": kind,
        "PayloadVersion": 1,
        "PayloadIdentifier": identifier,
        "PayloadUUID": str(uuid5(NAMESPACE_DNS, identifier)).upper(),
        "PayloadDisplayName": title,
    }


def _mail_payload(domain: ServedDomain, address: str, display_name: str) -> dict[str, Any]:
    incoming, outgoing = _first(domain.services, "IMAP", "POP3"), _first(domain.services, "SMTP")
    assert incoming is not None and outgoing is not None
    login = domain.login_of(address.rpartition("@")[0]) if address else ""
    who = {
        "EmailAddress": address,
        "EmailAccountName": display_name,
        "IncomingMailServerUsername": login,
        "OutgoingMailServerUsername": login,
    }
    return {
        "EmailAccountDescription": domain.name,
        "EmailAccountType": f"EmailType{incoming.protocol.removesuffix('3')}",
        **_server("Incoming", incoming),
        **_server("Outgoing", outgoing),
        "OutgoingPasswordSameAsIncomingPassword": True,
        **{name: value for name, value in who.items() if value},
    }


def _server(direction: str, service: ClientService) -> dict[str, Any]:
    """By the port the device knows implicit TLS from STARTTLS; UseSSL asks for either."""
    return {
        f"{direction}MailServerAuthentication": "EmailAuthPassword",
        f"{direction}MailServerHostName": service.server,
        f"{direction}MailServerPortNumber": service.port,
        f"{direction}MailServerUseSSL": True,
    }


def _first(services: list[ClientService], *protocols: str) -> ClientService | None:
    """The most wanted of these services: implicit TLS before STARTTLS."""
    found = [service for protocol in protocols for service in services if service.protocol == protocol]
    return next(iter(sorted(found, key=lambda service: service.security != IMPLICIT)), None)


def _reversed(domain: str) -> str:
    return ".".join(reversed(domain.split(".")))


def _safe(local_part: str) -> str:
    """A local part as part of an identifier; other octets as their numbers, so that no two become one."""
    return "".join(c if c.isascii() and (c.isalnum() or c == "-") else f"_{ord(c):x}_" for c in local_part)
