"""The rights of RFC 4314 section 2.1, as strings of their letters in the order of ALL.

RFC 2086 had `c` and `d`. They are read and written as RFC 4314 section 2.1.1 asks, with the choice Dovecot makes too:
`c` stands for `k` and `x`, `d` for `t` and `e`.
"""

from __future__ import annotations

from collections.abc import Iterable

from mailcore.message.flags import DELETED, SEEN

LOOKUP, READ, KEEP_SEEN, WRITE, INSERT, POST = "l", "r", "s", "w", "i", "p"
CREATE, DELETE_MAILBOX, DELETE_MESSAGE, EXPUNGE, ADMIN = "k", "x", "t", "e", "a"
ALL = "lrswipkxtea"
"""What the owner has."""
OBSOLETE = {"c": "kx", "d": "te"}
NEW_RIGHTS = "texk"
"""What RFC 2086 did not know: the capability RIGHTS=."""
CHANGES_MESSAGES = "iswte"
"""Who has none of these opens a mailbox read-only (RFC 4314 section 5.2)."""
_EVERY_FLAG = 31


def ordered(letters: Iterable[str]) -> str:
    """Each letter of a right once, in the order of ALL."""
    given = set(letters)
    return "".join(right for right in ALL if right in given)


def read(letters: str) -> str | None:
    """Rights as a client writes them, with the obsolete ones; None if one is unknown."""
    current = "".join(OBSOLETE.get(letter, letter) for letter in letters)
    return ordered(current) if set(current) <= set(ALL) else None


def with_obsolete(rights: str) -> str:
    """Rights as they are told to clients, of which some know RFC 2086 only."""
    return rights + "".join(old for old, parts in OBSOLETE.items() if set(parts) & set(rights))


def settable_bits(rights: str) -> int:
    """The system flags one may change, as bits of mailcore.message.flags (RFC 4314 section 4)."""
    bits = _EVERY_FLAG & ~(SEEN | DELETED) if WRITE in rights else 0
    return bits | (SEEN if KEEP_SEEN in rights else 0) | (DELETED if DELETE_MESSAGE in rights else 0)
