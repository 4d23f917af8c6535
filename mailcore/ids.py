"""Names that must never repeat: queue ids, Message-IDs, Maildir file names."""

from __future__ import annotations

import itertools
import os
import random
import secrets
import time

# No vowels: a queue id never spells a word (Postfix's long queue ids do the same). Sorted as ASCII sorts.
_ALPHABET = "0123456789BCDFGHJKLMNPQRSTVWXYZbcdfghjklmnpqrstvwxyz"
_BASE = len(_ALPHABET)
_counter = itertools.count(secrets.randbelow(1000))


class _Process:
    """What tells the names of this process from those of all others. Asked of the system once, not for each name."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.token = secrets.token_hex(3)
        self.random = random.Random(secrets.randbits(128))


_process = _Process()


def _renew() -> None:
    global _process
    _process = _Process()


os.register_at_fork(after_in_child=_renew)


# Two digits at a time: ids are made for every connection and message.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]


def _encode(number: int, width: int) -> str:
    """The last `width` digits of a number, an even count."""
    pairs = []
    for _ in range(width // 2):
        number, pair = divmod(number, _BASE * _BASE)
        pairs.append(_PAIRS[pair])
    return "".join(reversed(pairs))


def new_queue_id() -> str:
    """14 letters and digits: microseconds since 1970 (sortable), then 4 random ones."""
    return _encode(time.time_ns() // 1000, 10) + _encode(_process.random.getrandbits(24), 4)


def new_session_id() -> str:
    """12 letters and digits naming one connection in the logs."""
    return _encode(time.time_ns() // 1000, 10) + _encode(_process.random.getrandbits(12), 2)


def new_message_id(hostname: str) -> str:
    """A Message-ID with angle brackets (RFC 5322 section 3.6.4)."""
    return f"<{time.strftime('%Y%m%d%H%M%S', time.gmtime())}.{new_queue_id()}@{hostname}>"


def new_maildir_name(hostname: str) -> str:
    """The unique part of a Maildir file name: seconds, microseconds, process, counter, host."""
    seconds, rest = divmod(time.time_ns(), 1_000_000_000)
    safe_host = hostname.replace("/", "\\057").replace(":", "\\072")
    return f"{seconds}.M{rest // 1000}P{_process.pid}Q{next(_counter)}R{_process.token}.{safe_host}"
