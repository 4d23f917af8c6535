"""Thunderbird's autoconfig, version 1.1: also read by K-9, Evolution, KMail, FairEmail.

https://wiki.mozilla.org/Thunderbird:Autoconfiguration:ConfigFileFormat. Servers stand in the order in which a client
is to prefer them. %EMAILADDRESS% is filled in by the client.
"""

from __future__ import annotations

from xml.etree import ElementTree as xml

from mailadmin.autoconfig.served import ServedDomain
from mailadmin.directory.client_settings import IMPLICIT, ClientService


def client_config(domain: ServedDomain) -> bytes:
    """The document config-v1.1.xml of a domain."""
    root = xml.Element("clientConfig", version="1.1")
    provider = xml.SubElement(root, "emailProvider", id=domain.name)
    for name in ("domain", "displayName", "displayShortName"):
        xml.SubElement(provider, name).text = domain.name
    for service in domain.services:
        _server(provider, service, _user_name(domain))
    return xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _server(provider: xml.Element, service: ClientService, user_name: str) -> None:
    sends = service.protocol == "SMTP"
    server = xml.SubElement(provider, "outgoingServer" if sends else "incomingServer", type=service.protocol.lower())
    for name, value in (
        ("hostname", service.server),
        ("port", str(service.port)),
        ("socketType", "SSL" if service.security == IMPLICIT else "STARTTLS"),
        ("username", user_name),
        ("authentication", "password-cleartext"),
    ):
        xml.SubElement(server, name).text = value


def _user_name(domain: ServedDomain) -> str:
    return "%EMAILADDRESS%" if domain.login_domain == domain.name else f"%EMAILLOCALPART%@{domain.login_domain}"
