"""Message flags (RFC 3501 section 2.3.2): five system flags as bits, keywords as names.

\\Recent is not here: it belongs to a session and follows from first_recent_uid. Keywords keep the case in
which they were first set but are the same whatever their case (RFC 5788 section 2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

SEEN = 1
ANSWERED = 2
FLAGGED = 4
DELETED = 8
DRAFT = 16

# In the order in which they are shown to clients.
SYSTEM_FLAGS: Mapping[str, int] = MappingProxyType(
    {"\\Answered": ANSWERED, "\\Flagged": FLAGGED, "\\Deleted": DELETED, "\\Seen": SEEN, "\\Draft": DRAFT}
)
_BY_LOWER_NAME = {name.lower(): bit for name, bit in SYSTEM_FLAGS.items()}


@dataclass(frozen=True, slots=True)
class Flags:
    """The flags of one message, or the flags a command speaks of."""

    bits: int = 0
    keywords: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, names: Iterable[str]) -> Flags:
        """From IMAP flag names. \\Recent and unknown names with a backslash are left out: nobody can set
        them.
        """
        bits, keywords = 0, set()
        for name in names:
            if name.startswith("\\"):
                bits |= _BY_LOWER_NAME.get(name.lower(), 0)
            else:
                keywords.add(name)
        return cls(bits, frozenset(keywords))

    def names(self) -> list[str]:
        """IMAP flag names, system flags first."""
        return [name for name, bit in SYSTEM_FLAGS.items() if self.bits & bit] + sorted(self.keywords)

    def __bool__(self) -> bool:
        return bool(self.bits or self.keywords)


NO_FLAGS = Flags()
# Beyond ASCII, whatever other programs think of; U+FFFD is what could not be decoded.
_ATOM = re.compile(r"[^\x00-\x20\x7f-\x9f\ufffd(){%*\"\\\]]+")


def is_keyword(name: str) -> bool:
    """Whether IMAP can say it: flag-keyword is an atom (RFC 3501 section 9). Files of other programs, or what a power
    cut left of ours, may hold anything.
    """
    return _ATOM.fullmatch(name) is not None
