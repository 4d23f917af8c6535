"""Which name a client may be called by: the rules of Postfix's smtpd, without I/O.

The name is that of the PTR record of the client's address, if the name's own A or AAAA records contain the address:
whoever runs the reverse zone can write any name into it, only the owner of the name can confirm it. Everything else is
"unknown".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from functools import lru_cache

from mailcore.config.snapshot import plain_address

UNKNOWN = "unknown"
LOCALHOST = "localhost"
MOST_CANDIDATES = 3
SHORTEST_S, LONGEST_S = 60.0, 3600.0

THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
_LABEL = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# At least two labels: a foreign host is not "localhost". The last is no number: the name is not an address.
_HOST_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)+(?![0-9]+\Z){_LABEL}")


@lru_cache(maxsize=4096)
def name_without_dns(address: str, *, asks_for_private: bool) -> str | None:
    """The name of clients that DNS need not, or must not, be asked about; None: ask.

    Public name servers know nothing of private addresses, and need not hear of them.
    """
    if address in THIS_MACHINE:
        return LOCALHOST
    try:
        client = ipaddress.ip_address(address)
    except ValueError:
        return UNKNOWN
    if client.is_global or asks_for_private:
        return None
    return LOCALHOST if client.is_loopback else UNKNOWN


def candidates(targets: Iterable[str]) -> tuple[str, ...]:
    """The names among the targets of PTR records that may be a host's, in an order that is always the same."""
    names = {target.removesuffix(".").lower() for target in targets}
    return tuple(sorted(name for name in names if _HOST_NAME.fullmatch(name)))[:MOST_CANDIDATES]


def is_confirmed(address: str, found: Iterable[str]) -> bool:
    """Whether the addresses that were found for a name contain the client's."""
    client = plain_address(address)
    return any(_address(text) == client for text in found)


def keep_s(ttl_s: float) -> float:
    """How long an answer with this time to live is used."""
    return min(max(ttl_s, SHORTEST_S), LONGEST_S)


def _address(text: str) -> object:
    try:
        return plain_address(text)
    except ValueError:
        return None
