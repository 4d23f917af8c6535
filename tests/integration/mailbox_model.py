"""What is in the mailboxes of one account, according to those who changed them: UIDs, flags, texts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

Flags = set[str]


@dataclass
class Box:
    """One mailbox. What has gone leaves no trace but uidnext."""

    name: str
    flags: dict[int, Flags] = field(default_factory=dict)
    texts: dict[int, bytes] = field(default_factory=dict)
    uidnext: int = 1

    def add(self, uid: int, flags: Iterable[str], text: bytes) -> None:
        assert uid >= self.uidnext, f"UID {uid} was given before, or may have been: next was {self.uidnext}"
        self.flags[uid], self.texts[uid], self.uidnext = set(flags), text, uid + 1

    def store(self, uids: Iterable[int], sign: str, flags: Flags) -> None:
        for uid in uids:
            if uid in self.flags:
                self.flags[uid] = changed(self.flags[uid], sign, flags)

    def remove(self, uids: Iterable[int]) -> None:
        for uid in uids:
            del self.flags[uid], self.texts[uid]

    def expunge(self, uids: Iterable[int] | None = None) -> None:
        chosen = self.flags if uids is None else set(uids) & self.flags.keys()
        self.remove([uid for uid in chosen if "\\Deleted" in self.flags[uid]])


def changed(now: Flags, sign: str, flags: Flags) -> Flags:
    """What STORE makes of flags."""
    return now | flags if sign == "+" else now - flags if sign == "-" else set(flags)
