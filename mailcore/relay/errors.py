"""Why a message could not even be offered, or the dialogue could not go on. Each carries the reply for the outcome.

`reply.is_permanent` decides between bounce and another try.
"""

from __future__ import annotations

from mailcore.errors import MailError
from mailcore.reply import Reply


class RelayError(MailError):
    """Base: `reply` is what the sender and the queue page are told."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(str(reply))
        self.reply = reply


class NoRoute(RelayError):
    """No host is known for the destination, for good or for now."""


class ConnectFailed(RelayError):
    """No connection to this host."""


class SessionRefused(RelayError):
    """The host answered but will not take mail from us, or not the way we must send it."""


class TlsFailed(RelayError):
    """The TLS handshake broke, or the certificate is not the right one."""


class ConnectionLost(RelayError):
    """The connection broke or went silent in the middle of the dialogue."""
