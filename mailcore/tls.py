"""The server's certificate (TLS 1.2 and later, RFC 8996): read at the start, and again when it has been renewed."""

from __future__ import annotations

import ssl
from pathlib import Path

from mailcore.log import get_logger
from mailcore.tls_binding import note_certificate

log = get_logger(__name__)


class Certificate:
    """A certificate and its key in two PEM files; `reload` takes renewed ones into use without a restart."""

    def __init__(self, cert: Path, key: Path) -> None:
        self._cert = cert
        self._key = key
        self._context: ssl.SSLContext | None = None
        self.reload()

    def context(self) -> ssl.SSLContext | None:
        """The context for new handshakes, the same one all the time; None while there is no usable certificate."""
        return self._context

    def reload(self) -> None:
        """Read the files again. What cannot be read is logged, and the certificate before stays in use."""
        try:
            # Tried on a context of its own: half a renewal must not get into the one that is in use.
            fresh = self._load(_server_context())
            if self._context is None:
                self._context = fresh
            else:
                self._load(self._context)
                log.info("certificate_renewed", cert=str(self._cert))
        except OSError as error:
            log.error("certificate_not_loaded", cert=str(self._cert), error=str(error))

    def _load(self, context: ssl.SSLContext) -> ssl.SSLContext:
        # Without a password OpenSSL would ask the terminal for that of an encrypted key, and the server would wait.
        context.load_cert_chain(self._cert, self._key, password=lambda: "")
        note_certificate(context, self._cert.read_text("latin-1"))
        return context


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    return context
