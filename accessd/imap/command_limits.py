"""How large a command of IMAP may be: tightly before the login, for who has logged in as the settings say. Sans-IO."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

LINE_BYTES = 128 * 1024
LITERAL_BYTES = 256 * 1024
ANY_SIZE_BYTES = 10**20
"""More than 20 digits can say."""
LITERAL_MINUS_BYTES = 4096
"""RFC 7888 section 5."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one command may hold: its text, all its literals, and each message it carries. The text and literals in
    front of a message, and behind the last, count for themselves.
    """

    line_bytes: int
    literal_bytes: int
    message_bytes: int = 0
    """0: no messages now, as before the login."""
    unasked_bytes: int = ANY_SIZE_BYTES
    """The largest literal a client may send without waiting for `+`: LITERAL_MINUS_BYTES with LITERAL-."""


BEFORE_LOGIN = Limits(line_bytes=8192, literal_bytes=4096)


@lru_cache(maxsize=4)
def after_login(message_bytes: int, *, literal_minus: bool) -> Limits:
    """Of who has logged in. One object for all sessions."""
    return Limits(LINE_BYTES, LITERAL_BYTES, message_bytes, LITERAL_MINUS_BYTES if literal_minus else ANY_SIZE_BYTES)
