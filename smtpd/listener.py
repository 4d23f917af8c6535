"""The ports of one SMTP process: which are opened, and what is said of them."""

from __future__ import annotations

import asyncio
from functools import partial

from mailcore.log import get_logger
from mailcore.sockets import listen, name_of, open_socket
from mailcore.tls import Certificate
from smtpd.client import SUBMISSIONS
from smtpd.handler import Handler
from smtpd.protocol import Entrance, SMTPProtocol
from smtpd.settings import Settings

log = get_logger(__name__)


class Listener:
    """All ports of one process, and the connections that came in."""

    def __init__(self, settings: Settings, certificate: Certificate, handler: Handler) -> None:
        self._settings = settings
        self._certificate = certificate
        self._handler = handler
        self._servers: list[asyncio.Server] = []
        self.connections: set[SMTPProtocol] = set()
        self.listening: tuple[str, ...] = ()

    async def start(self) -> None:
        """Open the ports. The one that begins with TLS stays closed without a certificate."""
        names = []
        for role, port in self._settings.ports.items():
            if not port:
                continue
            if role == SUBMISSIONS and self._certificate.context() is None:
                log.error("no_certificate", port=port)
                continue
            names += [await self._listen(role, host, port) for host in self._settings.listen_addresses]
        self.listening = tuple(names)

    async def _listen(self, role: str, host: str, port: int) -> str:
        context = self._certificate.context() if role == SUBMISSIONS else None
        offered = (lambda: None) if role == SUBMISSIONS else self._certificate.context
        entrance = Entrance(self._handler, role, offered, self.connections)
        sock = open_socket(host, port)
        name = f"{role} {name_of(sock)}"
        factory = partial(SMTPProtocol, entrance, asyncio.get_running_loop())
        self._servers.append(await listen(sock, factory, context))
        return name

    def stop_accepting(self) -> None:
        """Close the ports; connections go on."""
        for server in self._servers:
            server.close()
