"""Which hosts take mail for a next hop (RFC 5321 section 5, RFC 7505): names and addresses in the order to try them.

MX records by preference, at random within one preference; without MX records the host itself. What DNS says for good
(no such domain, null MX) is permanent; what it does not say (SERVFAIL, silence) is temporary. A host that finds itself
among the MX hosts keeps only those preferred to it, so that mail cannot run in circles.
"""

from __future__ import annotations

import ipaddress
import random
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.resolver

from mailcore.address import AddressSyntaxError, parse_literal
from mailcore.config.snapshot import NextHop
from mailcore.relay.errors import NoRoute
from mailcore.reply import Reply

LOOKUP_S = 10.0
CACHE_SIZE = 20_000
MAX_TARGETS = 5

_NOT_THERE = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer)


@dataclass(frozen=True, slots=True)
class Target:
    """One address of one host, and its port."""

    host: str
    address: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}[{self.address}]:{self.port}"


class Resolver:
    """DNS with a time limit and a cache. `server` ("host:port") replaces the system's name servers."""

    def __init__(self, server: str = "", *, lookup_s: float = LOOKUP_S) -> None:
        self._resolver = dns.resolver.Resolver(configure=not server)
        self._system_hosts = not server
        self._lookup_s = lookup_s
        if server:
            host, _, port = server.rpartition(":")
            self._resolver.nameservers = [host]
            self._resolver.port = int(port)
        self._resolver.cache = dns.resolver.LRUCache(CACHE_SIZE)

    def mx(self, domain: str) -> list[tuple[int, str]]:
        """(preference, host name) of each MX record; empty if there is none. Raises NoRoute."""
        try:
            answer = self._resolver.resolve(_absolute(domain), "MX", lifetime=self._lookup_s)
        except dns.resolver.NoAnswer:
            return []
        except dns.resolver.NXDOMAIN:
            raise NoRoute(Reply(550, "5.1.2", f"there is no domain {domain}")) from None
        except dns.exception.DNSException as error:
            raise _unknown_yet(domain, "MX", error) from error
        return [(record.preference, record.exchange.to_text(omit_final_dot=True)) for record in answer]

    def addresses(self, host: str) -> list[str]:
        """IPv4, then IPv6 addresses; empty if there are none. Raises NoRoute when DNS does not answer."""
        if host == "localhost":
            return ["127.0.0.1", "::1"]
        found: list[str] = []
        for kind in ("A", "AAAA"):
            try:
                answer = self._resolver.resolve(_absolute(host), kind, lifetime=self._lookup_s)
            except _NOT_THERE:
                continue
            except dns.exception.DNSException as error:
                if not found:
                    raise _unknown_yet(host, kind, error) from error
                continue
            found += [record.address for record in answer]
        return found

    def addresses_of_relayhost(self, host: str) -> list[str]:
        """As `addresses`, but a name may also come from the system's hosts file, as for Postfix's [host]."""
        found = self.addresses(host)
        if found or not self._system_hosts:
            return found
        try:
            infos = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            return []
        return list(dict.fromkeys(str(info[4][0]) for info in infos))


def _nothing() -> None:
    return None


def resolve_targets(
    hop: NextHop,
    resolver: Resolver,
    own_names: frozenset[str] = frozenset(),
    keepalive: Callable[[], None] = _nothing,
) -> list[Target]:
    """The addresses to try for this next hop, best first, at most MAX_TARGETS. Raises NoRoute.

    `keepalive` is called between look-ups.
    """
    literal = _ip_address(hop.host)
    if literal:
        return [Target(hop.host, literal, hop.port)]
    if not hop.lookup_mx:
        return _targets(hop, [hop.host], resolver, keepalive)
    records = resolver.mx(hop.host)
    if [host for _, host in records] == ["."] or [host for _, host in records] == [""]:
        raise NoRoute(Reply(556, "5.1.10", f"{hop.host} does not accept mail (null MX)"))
    if not records:
        return _targets(hop, [hop.host], resolver, keepalive)
    return _targets(hop, _preferred(hop.host, records, own_names), resolver, keepalive)


def _preferred(domain: str, records: Sequence[tuple[int, str]], own_names: frozenset[str]) -> list[str]:
    """Host names in the order to try them; only those better than ourselves if we are among them."""
    own = [preference for preference, host in records if host.lower() in own_names]
    usable = [(preference, host) for preference, host in records if not own or preference < min(own)]
    if not usable:
        raise NoRoute(Reply(554, "5.4.6", f"mail for {domain} loops back to this host"))
    shuffled = random.sample(usable, len(usable))
    return [host for _, host in sorted(shuffled, key=lambda record: record[0])]


def _targets(hop: NextHop, hosts: Sequence[str], resolver: Resolver, keepalive: Callable[[], None]) -> list[Target]:
    look_up = resolver.addresses if hop.lookup_mx else resolver.addresses_of_relayhost
    targets: list[Target] = []
    unknown: NoRoute | None = None
    for host in hosts:
        keepalive()
        try:
            targets += [Target(host, address, hop.port) for address in look_up(host)]
        except NoRoute as error:
            unknown = error
        if len(targets) >= MAX_TARGETS:
            break
    if targets:
        return targets[:MAX_TARGETS]
    if unknown is not None:
        raise unknown
    if not hop.lookup_mx:
        # Somebody typed this name: a mistake of ours must not bounce other people's mail.
        raise NoRoute(Reply(451, "4.4.4", f"no address was found for the relay host {hop.host}"))
    raise NoRoute(Reply(550, "5.4.4", f"no mail host of {hop.host} has an address"))


def _absolute(name: str) -> dns.name.Name:
    """Never completed with the search list of resolv.conf."""
    try:
        return dns.name.from_text(name)
    except dns.exception.DNSException as error:
        raise NoRoute(Reply(550, "5.1.2", f"{name} is no domain name")) from error


def _ip_address(host: str) -> str:
    """The address in "192.0.2.1", "2001:db8::1", "[192.0.2.1]" or "[IPv6:2001:db8::1]"; "" for a name."""
    try:
        return str(parse_literal(host) if host.startswith("[") else ipaddress.ip_address(host))
    except (AddressSyntaxError, ValueError):
        return ""


def _unknown_yet(name: str, kind: str, error: Exception) -> NoRoute:
    what = "no answer in time" if isinstance(error, dns.exception.Timeout) else "the name servers failed"
    return NoRoute(Reply(451, "4.4.3", f"{kind} of {name} could not be looked up: {what}"))
