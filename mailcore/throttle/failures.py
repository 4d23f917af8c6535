"""Failed logins by network, with the networks in which somebody was right lately: in memory, and what a count means.

A network is what one subscriber usually has: an IPv4 /24 or an IPv6 /56. Its weight is the number of its failures of
the last minute, and as much again for each other name that was tried: who forgets a password tries one name, who
guesses tries many. Whoever was right from a network lately is heard there however many others fail beside, and ten
times as often about that one name: an old telephone with an old password must not lock its owner out, and the neighbour
must not guess for ever.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections import OrderedDict, deque
from dataclasses import dataclass
from threading import Lock

WINDOW_S = 60.0
LATELY_S = 14 * 24 * 3600
MAX_NETWORKS = 10_000
MAX_KNOWN = 50_000
KNOWN_TIMES = 10
MOST_KEPT = 1000
"""Failures of one network that are remembered; no limit can be higher."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What is held against a network: the names of its failures of the last minute; and for whom it was right."""

    names: tuple[str, ...] = ()
    known: bool = False
    own: int = 0
    """How many of the failures are of the name that is asked for."""

    @property
    def weight(self) -> int:
        """Failures, and distinct names beyond the first."""
        return len(self.names) + max(len(set(self.names)) - 1, 0)

    def must_wait(self, limit: int) -> bool:
        """Whether this client is refused unheard."""
        if self.known:
            return self.own >= min(KNOWN_TIMES * limit, MOST_KEPT)
        return self.weight >= min(limit, MOST_KEPT)


def network_of(client: str) -> str:
    """The /24 or /56 of an address; an IPv4 client of an IPv6 socket is an IPv4 client. What is none stays as it is."""
    try:
        address = ipaddress.ip_address(client.partition("%")[0])
    except ValueError:
        return client
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        address = address.ipv4_mapped
    prefix = 24 if address.version == 4 else 56
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def name_key(login: str) -> str:
    """A name as it is kept: short, and of no use to who reads it."""
    return hashlib.sha256(login.strip().lower().encode(errors="surrogatepass")).hexdigest()[:16]


class MemoryFailures:
    """Of this process alone; bounded."""

    def __init__(self) -> None:
        self._failures: OrderedDict[str, deque[tuple[float, str]]] = OrderedDict()
        self._known: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._refused: OrderedDict[tuple[str, str], float] = OrderedDict()
        self._lock = Lock()

    def standing(self, network: str, name: str, now: float) -> Standing:
        """How this network stands for this name."""
        with self._lock:
            failures = self._failures.get(network, ())
            names = tuple(each for at, each in failures if at > now - WINDOW_S)
            return Standing(names, self._known.get((network, name), 0.0) > now, names.count(name))

    def failed(self, network: str, name: str, now: float) -> None:
        """Note a failure."""
        with self._lock:
            self._failures.setdefault(network, deque(maxlen=MOST_KEPT)).append((now, name))
            self._failures.move_to_end(network)
            if len(self._failures) > MAX_NETWORKS:
                self._failures.popitem(last=False)

    def succeeded(self, network: str, name: str, now: float) -> None:
        """Somebody was right here."""
        with self._lock:
            self._known[(network, name)] = now + LATELY_S
            self._known.move_to_end((network, name))
            if len(self._known) > MAX_KNOWN:
                self._known.popitem(last=False)

    def refused(self, network: str, name: str, now: float) -> None:
        """A client was not heard."""
        with self._lock:
            self._refused[(network, name)] = now + WINDOW_S
            self._refused.move_to_end((network, name))
            if len(self._refused) > MAX_NETWORKS:
                self._refused.popitem(last=False)

    @property
    def has_refused(self) -> bool:
        """Was anybody ever?"""
        return bool(self._refused)

    def was_refused(self, network: str, name: str, now: float) -> bool:
        """And this one, in the last minute, about this name?"""
        with self._lock:
            return self._refused.get((network, name), 0.0) > now
