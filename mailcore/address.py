"""Mail addresses: the Mailbox of RFC 5321 section 4.1.2, with UTF-8 (RFC 6531) and international domains (RFC 5890).

An Address keeps what the client wrote; `key` is the form in which addresses are looked up and stored.
The null reverse-path "<>" is no address: where it is allowed, the type is `Address | None`.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

import idna

from mailcore.errors import AddressSyntaxError as AddressSyntaxError

MAX_LOCAL_BYTES = 64  # RFC 5321 section 4.5.3.1.1
MAX_DOMAIN_BYTES = 255  # RFC 5321 section 4.5.3.1.2
MAX_PATH_BYTES = 254  # RFC 5321 section 4.5.3.1.3, without the angle brackets

_ATEXT = r"A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff"
_DOT_STRING = re.compile(rf"[{_ATEXT}]+(?:\.[{_ATEXT}]+)*")
_QUOTED_STRING = re.compile(r'"(?:[ !#-\[\]-~\u0080-\U0010ffff]|\\[ -~])*"')
_LABEL = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?")
_QUOTED_PAIR = re.compile(r"\\(.)")


@dataclass(frozen=True)
class Address:
    """A local part (as written, quotes included if needed) and a domain or address literal."""

    local: str
    domain: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """`local@domain` without angle brackets. Raises AddressSyntaxError with a sentence for people."""
        return _parse(text)

    @cached_property
    def domain_key(self) -> str:
        """The domain in lower case, international labels as A-labels."""
        return parse_domain(self.domain)

    @cached_property
    def key(self) -> str:
        """The form for look-ups: all lower case, needless quotes removed, the domain as A-label."""
        return f"{_unquote(self.local).lower()}@{self.domain_key}"

    @property
    def is_literal(self) -> bool:
        """Whether the domain is an address literal such as [192.0.2.1]."""
        return self.domain.startswith("[")

    def split_detail(self, delimiters: str) -> tuple[Address, str]:
        """("user@x", "tag") for "user+tag@x": cut at the first delimiter that is not the first character."""
        cut = min((at for d in delimiters if (at := self.local.find(d, 1)) > 0), default=0)
        if not cut or self.local.startswith('"'):
            return self, ""
        return Address(self.local[:cut], self.domain), self.local[cut + 1 :]

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


@lru_cache(maxsize=4096)
def _parse(text: str) -> Address:
    local, at, domain = text.rpartition("@")
    if not at:
        raise AddressSyntaxError(f"{text!r} has no @ with a domain after it.")
    check_local_part(local)
    parse_domain(domain)
    if len(text.encode()) > MAX_PATH_BYTES:
        raise AddressSyntaxError(f"An address has at most {MAX_PATH_BYTES} bytes.")
    return Address(local, domain)


def check_local_part(local: str) -> None:
    """Dot-string or quoted-string, at most 64 bytes. Raises AddressSyntaxError."""
    if not (_DOT_STRING.fullmatch(local) or _QUOTED_STRING.fullmatch(local)):
        raise AddressSyntaxError(f"{local!r} is not a valid part before the @.")
    if len(local.encode(errors="surrogatepass")) > MAX_LOCAL_BYTES:
        raise AddressSyntaxError(f"The part before the @ has at most {MAX_LOCAL_BYTES} bytes.")


@lru_cache(maxsize=4096)
def parse_domain(domain: str) -> str:
    """The look-up form of a domain or address literal. Raises AddressSyntaxError."""
    if domain.startswith("["):
        return _parse_literal(domain)
    name = domain.lower()
    if not name.isascii():
        name = _to_ascii(domain)
    if not name or len(name) > MAX_DOMAIN_BYTES - 2 or not all(map(_is_label, name.split("."))):
        raise AddressSyntaxError(f"{domain!r} is not a valid domain name.")
    return name


def parse_literal(domain: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The IP address of "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321 section 4.1.3). Raises AddressSyntaxError."""
    inner = domain[1:-1] if domain.endswith("]") else ""
    try:
        if inner[:5].lower() == "ipv6:":
            return ipaddress.IPv6Address(inner[5:])
        return ipaddress.IPv4Address(inner)
    except ValueError as error:
        raise AddressSyntaxError(f"{domain!r} is not a valid address literal.") from error


def _parse_literal(domain: str) -> str:
    address = parse_literal(domain)
    return f"[IPv6:{address}]".lower() if address.version == 6 else f"[{address}]"


def _to_ascii(domain: str) -> str:
    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError) as error:
        raise AddressSyntaxError(f"{domain!r} is not a valid international domain name.") from error


def _is_label(label: str) -> bool:
    return len(label) <= 63 and _LABEL.fullmatch(label) is not None


def _unquote(local: str) -> str:
    if not local.startswith('"'):
        return local
    inner = _QUOTED_PAIR.sub(r"\1", local[1:-1])
    return inner if _DOT_STRING.fullmatch(inner) else local
