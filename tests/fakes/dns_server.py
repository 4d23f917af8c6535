"""A DNS server on loopback with the zone a test gives it (dnslib). Unknown names are NXDOMAIN."""

from __future__ import annotations

import time
from typing import Any, Self

from dnslib import QTYPE, RCODE, RR, DNSRecord
from dnslib.server import BaseResolver, DNSServer

SERVFAIL = "SERVFAIL"
SILENCE = "SILENCE"


class FakeDns(BaseResolver):
    """`zone` in zone-file form: "example.test. 60 IN MX 10 mx.example.test."; `broken` names answer SERVFAIL or not."""

    def __init__(self, zone: str = "", broken: dict[str, str] | None = None) -> None:
        self.records = RR.fromZone(zone) if zone.strip() else []
        self.broken = broken or {}
        self.questions: list[str] = []
        self._server = DNSServer(self, address="127.0.0.1", port=0, logger=_Silent())

    @property
    def address(self) -> str:
        """As for DNS_SERVER."""
        host, port = self._server.server.server_address
        return f"{host}:{port}"

    def __enter__(self) -> Self:
        self._server.start_thread()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.server.shutdown()
        self._server.server.server_close()

    def resolve(self, request: DNSRecord, handler: Any) -> DNSRecord:
        reply = request.reply()
        name, kind = str(request.q.qname).lower(), QTYPE[request.q.qtype]
        self.questions.append(f"{name} {kind}")
        trouble = self.broken.get(name)
        if trouble == SILENCE:
            time.sleep(3)
        if trouble is not None:
            reply.header.rcode = RCODE.SERVFAIL
            return reply
        same_name = [record for record in self.records if str(record.rname).lower() == name]
        for record in same_name:
            if QTYPE[record.rtype] == kind:
                reply.add_answer(record)
        if not same_name:
            reply.header.rcode = RCODE.NXDOMAIN
        return reply


class _Silent:
    """dnslib wants a logger; nobody reads it."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None
