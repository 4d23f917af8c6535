"""The states of a POP3 session (RFC 1939 section 3)."""

from __future__ import annotations

from enum import Enum, auto


class State(Enum):
    """UPDATE is no state in which commands are read: it is what QUIT does."""

    AUTHORIZATION = auto()
    TRANSACTION = auto()
    ENDED = auto()
