"""The verified name of a client from DNS (RFC 1035 section 3.5, RFC 8501 section 1), on the event loop.

The PTR records of the address, then the addresses of each name; smtpd.client_name decides what is believed. What
cannot be found out is "unknown", for a shorter time than what is known not to be there.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import dns.asyncresolver
import dns.exception
import dns.name
import dns.resolver
import dns.reversename

from mailcore.log import get_logger
from smtpd.client_name import SHORTEST_S, UNKNOWN, candidates, is_confirmed, keep_s
from smtpd.client_names import Found

LOOKUP_S = 5.0
# Of one name server, before the question is asked again: a lost packet must not cost all of the time a session waits.
TRY_S = 0.7
NOT_THERE_S = 300.0

_NOT_THERE = (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN)

log = get_logger(__name__)


class ReverseDns:
    """`server` ("host:port") replaces the system's name servers."""

    def __init__(self, server: str = "", *, lookup_s: float = LOOKUP_S) -> None:
        self._lookup_s = lookup_s
        self._resolver = _resolver(server)

    async def __call__(self, address: str) -> Found:
        """The client's name."""
        if self._resolver is None:
            return Found(UNKNOWN, NOT_THERE_S)
        try:
            async with asyncio.timeout(self._lookup_s):
                return await self._verified(address)
        except _NOT_THERE:
            return Found(UNKNOWN, NOT_THERE_S)
        except (dns.exception.DNSException, OSError):
            return Found(UNKNOWN, SHORTEST_S)

    async def _verified(self, address: str) -> Found:
        pointers = await self._answer(dns.reversename.from_address(address), "PTR")
        names = candidates(record.target.to_text() for record in pointers)
        kind = "A" if ipaddress.ip_address(address).version == 4 else "AAAA"
        found = await asyncio.gather(*(self._addresses(name, kind) for name in names), return_exceptions=True)
        for name, answer in zip(names, found, strict=True):
            if not isinstance(answer, BaseException) and is_confirmed(address, (record.address for record in answer)):
                return Found(name, keep_s(min(pointers.rrset.ttl, answer.rrset.ttl)))
        for answer in found:
            if isinstance(answer, BaseException) and not isinstance(answer, _NOT_THERE):
                raise answer
        return Found(UNKNOWN, NOT_THERE_S)

    async def _addresses(self, name: str, kind: str) -> Any:
        return await self._answer(dns.name.from_text(name), kind)

    async def _answer(self, name: dns.name.Name, kind: str) -> Any:
        assert self._resolver is not None
        return await self._resolver.resolve(name, kind, lifetime=self._lookup_s, search=False)


def _resolver(server: str) -> dns.asyncresolver.Resolver | None:
    """None where the system has no name servers."""
    try:
        resolver = dns.asyncresolver.Resolver(configure=not server)
    except dns.resolver.NoResolverConfiguration:
        log.warning("no_name_servers")
        return None
    if server:
        host, _, port = server.rpartition(":")
        resolver.nameservers = [host.strip("[]")]
        resolver.port = int(port)
    resolver.timeout = TRY_S
    return resolver
