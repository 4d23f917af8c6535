"""The rights of RFC 4314 section 2.1, as strings of their letters."""

from __future__ import annotations

LOOKUP, READ, SEEN, WRITE, INSERT, POST = "l", "r", "s", "w", "i", "p"
CREATE, DELETE_MAILBOX, DELETE_MESSAGE, EXPUNGE, ADMIN = "k", "x", "t", "e", "a"
ALL = "lrswipkxtea"
"""What the owner has."""
