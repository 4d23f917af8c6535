"""Names of annotations (RFC 5464 section 3.2): `/private/...` is the reader's own, `/shared/...` everybody's. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST = 255
INFINITY = 2
"""As a depth: everything below."""
_NAME = re.compile(r"/(private|shared)((?:/[^/*%\x00-\x1f\x7f-\U0010ffff]+)*)")


@dataclass(frozen=True, slots=True)
class Entry:
    """One annotation; `name` is what follows /private or /shared, in lower case: "" is the root of all."""

    private: bool
    name: str

    @classmethod
    def parse(cls, text: str) -> Entry | None:
        """None if it is no such name."""
        found = _NAME.fullmatch(text.lower())
        if found is None or len(found.group(2)) > LONGEST:
            return None
        return cls(found.group(1) == "private", found.group(2))

    def covers(self, entry: Entry, depth: int) -> bool:
        """Is `entry` this one, or not more than `depth` levels below it?"""
        if entry.private != self.private:
            return False
        if entry.name == self.name:
            return True
        below = entry.name.removeprefix(self.name + "/") if entry.name.startswith(self.name + "/") else ""
        return bool(below) and (depth >= INFINITY or (depth == 1 and "/" not in below))

    def __str__(self) -> str:
        return f"/{'private' if self.private else 'shared'}{self.name}"


SPECIAL_USE = Entry(private=True, name="/specialuse")
"""RFC 6154 section 5.4: not an annotation but the mailbox's special use."""
ADMIN = Entry(private=False, name="/admin")
"""Of the server: where its administrator is (RFC 5464 section 6.2.1.2)."""
