"""Next hops as Postfix writes them in relayhost and transport(5).

`host` and `host:port` ask DNS for the MX of host; `[host]` and `[host]:port` connect to the host itself. An address is
never looked up, so it means the same with and without brackets; `[ipv6:2001:db8::1]` is accepted beside
`[2001:db8::1]`. A leading `smtp:` or `relay:` (the transport's name) is understood and dropped; `smtps:` means TLS from
the first byte and port 465. The port may be a name: smtp, submission, submissions, smtps.
"""

import ipaddress
import re
from dataclasses import dataclass

SERVICES = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465}
DEFAULT_PORT = 25

_HOST_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)", re.IGNORECASE)
_TRANSPORT = re.compile(r"(smtp|relay|smtps):(?!\d)", re.IGNORECASE)
_BRACKETED = re.compile(r"\[([^\[\]]*)\](?::(.*))?")


class NotationError(ValueError):
    """The text is not a next hop; says why, for the person who typed it."""


@dataclass(frozen=True, slots=True)
class NextHopNotation:
    """What one line of Postfix notation says."""

    host: str
    port: int = DEFAULT_PORT
    lookup_mx: bool = True
    implicit_tls: bool = False

    def __str__(self) -> str:
        """The notation again, with the port only where it is not 25."""
        host = self.host if self.lookup_mx else f"[{self.host}]"
        return host if self.port == DEFAULT_PORT else f"{host}:{self.port}"


def parse_next_hop(text: str) -> NextHopNotation:
    """Read `[host]:587`, `host`, `host:port`, `[2001:db8::1]:25`. Raises NotationError."""
    rest = text.strip()
    transport = ""
    if match := _TRANSPORT.match(rest):
        transport, rest = match.group(1).lower(), rest[match.end() :]
    if not rest:
        raise NotationError("Write a host name, for example [smtp.example.org]:587.")
    host, port_text, lookup_mx = _split(rest)
    implicit = transport == "smtps"
    port = _port(port_text) if port_text is not None else (465 if implicit else DEFAULT_PORT)
    name, is_address = _host(host)
    return NextHopNotation(name, port, lookup_mx and not is_address, implicit)


def _split(text: str) -> tuple[str, str | None, bool]:
    """Host, port text if any, and whether MX records are to be looked up."""
    if text.startswith("["):
        match = _BRACKETED.fullmatch(text)
        if match is None:
            raise NotationError("The closing bracket is missing, or something stands between it and the port.")
        return match.group(1), match.group(2), False
    if text.count(":") > 1:
        try:
            ipaddress.IPv6Address(text)
        except ValueError:
            raise NotationError("Put an IPv6 address in brackets: [2001:db8::1]:25.") from None
        return text, None, True
    host, colon, port = text.partition(":")
    return host, port if colon else None, True


def _port(text: str) -> int:
    if text.lower() in SERVICES:
        return SERVICES[text.lower()]
    if not (text.isascii() and text.isdigit()) or not 1 <= int(text) <= 65535:
        raise NotationError(f"“{text}” is not a port: a number from 1 to 65535, or smtp, submission, submissions.")
    return int(text)


def _host(text: str) -> tuple[str, bool]:
    """The host in lower case with international labels as A-labels, and whether it is an address."""
    bare = text.strip().removesuffix(".")
    bare = bare[5:] if bare.lower().startswith("ipv6:") else bare
    try:
        return str(ipaddress.ip_address(bare)), True
    except ValueError:
        pass
    if ":" in bare or re.fullmatch(r"[\d.]+", bare):
        raise NotationError(f"“{text}” is not an IP address.")
    try:
        name = bare.encode("idna").decode("ascii").lower() if not bare.isascii() else bare.lower()
    except UnicodeError:
        name = ""
    if not name or len(name) > 253 or not all(_HOST_LABEL.fullmatch(label) for label in name.split(".")):
        raise NotationError(f"“{text}” is not a host name.")
    return name, False
