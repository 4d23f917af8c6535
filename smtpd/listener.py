"""The ports of one SMTP process: which are opened, and what is said of them.

Ports for balancers are ports of their own, so that nobody has to guess whether a connection begins with a PROXY header.
"""

from __future__ import annotations

import asyncio
from functools import partial

from mailcore.accepting import Accepting
from mailcore.log import get_logger
from mailcore.proxied import ProxiedServer
from mailcore.sockets import listen, name_of, open_socket
from mailcore.tls import Certificate
from mailcore.tls_server import TlsServer
from smtpd.client import SUBMISSIONS
from smtpd.handler import Handler
from smtpd.limits import Handshakes
from smtpd.protocol import Entrance, SMTPProtocol
from smtpd.settings import Settings

log = get_logger(__name__)


class Listener:
    """All ports of one process, and the connections that came in."""

    def __init__(self, settings: Settings, certificate: Certificate, handler: Handler) -> None:
        self._settings = settings
        self._certificate = certificate
        self._handler = handler
        self._servers: list[asyncio.Server | Accepting] = []
        self._handshakes = Handshakes(handler.services.counts, lambda: handler.snapshot)
        self.connections: set[SMTPProtocol] = set()
        self.listening: tuple[str, ...] = ()

    async def start(self) -> None:
        """Open the ports. The one that begins with TLS stays closed without a certificate."""
        names = []
        wanted = [(role, port, False) for role, port in self._settings.ports.items()]
        wanted += [(role, port, True) for role, port in self._settings.proxied_ports.items()]
        for role, port, proxied in wanted:
            if not port:
                continue
            if role == SUBMISSIONS and self._certificate.context() is None:
                log.error("no_certificate", port=port)
                continue
            for host in self._settings.listen_addresses:
                names.append(await self._listen(role, host, port, proxied=proxied))
        self.listening = tuple(names)

    async def _listen(self, role: str, host: str, port: int, *, proxied: bool) -> str:
        context = self._certificate.context() if role == SUBMISSIONS else None
        offered = (lambda: None) if role == SUBMISSIONS else self._certificate.context
        entrance = Entrance(self._handler, role, offered, self.connections)
        sock = open_socket(host, port)
        factory = partial(SMTPProtocol, entrance, asyncio.get_running_loop())
        if proxied:
            tls = (context, self._handshakes) if context is not None else None
            self._servers.append(ProxiedServer(sock, factory, tls, self._trusts))
            return f"{role}-proxy {name_of(sock)}"
        if context is not None:
            self._servers.append(TlsServer(sock, factory, context, self._handshakes))
        else:
            self._servers.append(await listen(sock, factory))
        return f"{role} {name_of(sock)}"

    def _trusts(self, balancer: str) -> bool:
        return balancer in self._handler.snapshot.haproxy_trusted_networks

    def stop_accepting(self) -> None:
        """Close the ports; connections go on."""
        for server in self._servers:
            server.close()
