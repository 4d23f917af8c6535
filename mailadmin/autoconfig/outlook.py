"""Outlook's autodiscover in its plain XML form (POX): [MS-OXDSCLI] sections 2.2.3 and 2.2.4.

The request is untrusted XML: a document type, and with it every entity, is refused before anything of it is read.
"""

from __future__ import annotations

from datetime import datetime
from xml.etree import ElementTree as xml
from xml.parsers import expat

from mailadmin.autoconfig.served import ServedDomain
from mailadmin.directory.client_settings import IMPLICIT, ClientService

RESPONSE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
SETTINGS = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
MAX_REQUEST = 16 << 10
MAX_DEPTH = 20

# Section 2.2.4.1.1.2.1.1: error codes.
NO_SUCH_ADDRESS = (500, "The email address cannot be found.")
INVALID_REQUEST = (600, "Invalid Request")
UNKNOWN_SCHEMA = (601, "The requested schema version is not supported.")


class BadRequest(ValueError):
    """The request is not XML we read, or asks for something else; `error` is code and message."""

    def __init__(self, error: tuple[int, str]) -> None:
        super().__init__(error[1])
        self.error = error


def address_of_request(body: bytes) -> str:
    """The address whose settings are wanted. Raises BadRequest."""
    fields = _Fields()
    try:
        fields.parser.Parse(body, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise BadRequest(INVALID_REQUEST) from error
    if fields.found.get("AcceptableResponseSchema", SETTINGS) != SETTINGS:
        raise BadRequest(UNKNOWN_SCHEMA)
    if not fields.found.get("EMailAddress"):
        raise BadRequest(INVALID_REQUEST)
    return fields.found["EMailAddress"]


class _Fields:
    """Collects the text of the elements of <Request>, by their names without the namespace."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._open: list[str] = []
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _refuse(self, *_: object) -> None:
        raise ValueError("a document type")

    def _start(self, name: str, _: dict[str, str]) -> None:
        if len(self._open) >= MAX_DEPTH:
            raise ValueError("too deep")
        self._open.append(name.rpartition(" ")[2])

    def _end(self, _: str) -> None:
        self._open.pop()

    def _text(self, text: str) -> None:
        if self._open[:-1] == ["Autodiscover", "Request"]:
            self.found[self._open[-1]] = self.found.get(self._open[-1], "") + text.strip()


def settings_response(domain: ServedDomain, local_part: str) -> bytes:
    """The settings of an address."""
    root = xml.Element("Autodiscover", xmlns=RESPONSE)
    account = xml.SubElement(xml.SubElement(root, "Response", xmlns=SETTINGS), "Account")
    xml.SubElement(account, "AccountType").text = "email"
    xml.SubElement(account, "Action").text = "settings"
    for service in domain.services:
        _protocol(account, service, domain.login_of(local_part))
    return xml.tostring(root, encoding="utf-8", xml_declaration=True)


def _protocol(account: xml.Element, service: ClientService, login: str) -> None:
    protocol = xml.SubElement(account, "Protocol")
    implicit = service.security == IMPLICIT
    values = [
        ("Type", service.protocol),
        ("Server", service.server),
        ("Port", str(service.port)),
        ("LoginName", login),
        ("DomainRequired", "off"),
        ("SPA", "off"),
        ("SSL", "on" if implicit else "off"),
        ("Encryption", "SSL" if implicit else "TLS"),
        ("AuthRequired", "on"),
    ]
    if service.protocol == "SMTP":
        values += [("UsePOPAuth", "on"), ("SMTPLast", "off")]
    for name, value in values:
        xml.SubElement(protocol, name).text = value


def error_response(error: tuple[int, str], now: datetime) -> bytes:
    """What is wrong, in the words of the protocol."""
    root = xml.Element("Autodiscover", xmlns=RESPONSE)
    code, message = error
    inner = xml.SubElement(xml.SubElement(root, "Response"), "Error", Time=now.strftime("%H:%M:%S.%f"), Id="1")
    for name, value in (("ErrorCode", str(code)), ("Message", message), ("DebugData", "")):
        xml.SubElement(inner, name).text = value
    return xml.tostring(root, encoding="utf-8", xml_declaration=True)
