"""The differences that are known, each with its reason: known.toml beside this file, known_pop3.toml for POP3.

    [[difference]]
    where = "sections: *: unclosed.eml: /FETCH/BODY[1]*"     "*" stands for anything
    dovecot = "..."                                          optional, what Dovecot says there; "*" as above
    ours = "..."                                             optional
    reason = "why this is so, and why it stays"

An entry that no difference matches has vanished, and that is a failure too, if its dialogue was played; one that begins
with "*" if all were. Entries with `real = true` are about mail of MAIL_CORPUS and may go unmatched.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tests.side_by_side.difference import Difference

FILES = tuple(Path(__file__).with_name(name) for name in ("known.toml", "known_pop3.toml"))


@dataclass(frozen=True, slots=True)
class Known:
    """One entry of the file."""

    where: str
    reason: str
    dovecot: str = "*"
    ours: str = "*"
    real: bool = False

    def covers(self, difference: Difference) -> bool:
        return (
            _matches(self.where, difference.where)
            and _matches(self.dovecot, difference.dovecot)
            and _matches(self.ours, difference.ours)
        )


def load(paths: Collection[Path] = FILES) -> list[Known]:
    """All entries. Raises TypeError for one without a reason or with an unknown key."""
    return [Known(**entry) for path in paths for entry in tomllib.loads(path.read_text()).get("difference", [])]


def vanished(known: list[Known], found: list[Difference], played: Collection[str], *, whole: bool) -> list[Known]:
    """Entries about dialogues that were played, which no difference matches."""
    return [entry for entry in known if _was_looked_for(entry, played, whole) and not any(map(entry.covers, found))]


def _was_looked_for(entry: Known, played: Collection[str], whole: bool) -> bool:
    dialogue = entry.where.partition(":")[0]
    return not entry.real and (whole if "*" in dialogue else dialogue in played)


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text, re.DOTALL) is not None
