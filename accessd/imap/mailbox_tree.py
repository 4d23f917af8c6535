"""Which names LIST and LSUB show, and with which attributes. Pure.

Patterns: `*` matches anything, `%` anything but the separator. A level that exists only because something
is below it is shown with \\NonExistent and \\Noselect (RFC 5258 section 3). The special uses are those of
RFC 6154.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from accessd.imap.command import List, Lsub
from accessd.imap.grammar.mailbox_name import INBOX, SEPARATOR
from mailcore.index.records import MailboxRecord

ABSENT = ("\\NonExistent", "\\Noselect")
ABSENT_REV2 = ("\\NonExistent",)
"""RFC 9051: it implies \\Noselect, and only one of them may stand there (mbx-list-sflag)."""
CRITERIA = ("SUBSCRIBED", "SPECIAL-USE")
"""Selection options that choose: list-select-base-opt of RFC 5258 and RFC 6154."""


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the answer."""

    name: str
    attributes: tuple[str, ...]
    record: MailboxRecord | None = None
    criteria: tuple[str, ...] = ()
    """What something below it meets, for CHILDINFO."""
    is_chosen: bool = True
    """Is it listed for its own sake? Else nothing but its name is told (RFC 5819 section 2)."""


def matcher(reference: str, patterns: Iterable[str]) -> Callable[[str], bool]:
    """Does a name match one of the patterns? The reference is put in front of each."""
    wanted = [_simplified(unicodedata.normalize("NFC", reference + pattern)) for pattern in patterns]
    return lambda name: any(_matches(pattern, name) for pattern in wanted)


def _simplified(pattern: str) -> str:
    """Neighbouring wildcards are one."""
    return re.sub(r"[*%]*\*[*%]*", "*", re.sub("%+", "%", pattern))


def _matches(pattern: str, name: str) -> bool:
    """All ways to match are followed side by side, as the bits of one number: bit n says that the pattern so far can
    end before character n. So many wildcards, in a long pattern too, cost time in proportion only; it is the client's
    pattern, and the event loop's time. INBOX is that in any case.
    """
    if pattern == "*":
        return True
    places = _Places(name)
    ends = 1
    for char in pattern:
        if char == "*":
            ends = places.all_from(ends)
        elif char == "%":
            ends = places.to_end_of_level(ends)
        else:
            ends = (ends & places.of(char)) << 1
        if not ends:
            return False
    return bool(ends >> len(name))


class _Places:
    """Where in a name which character stands, as bits."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._any_case = len(INBOX) if name.partition(SEPARATOR)[0] == INBOX else 0
        self._known: dict[str, int] = {}

    def of(self, char: str) -> int:
        """Where this character stands."""
        found = self._known.get(char)
        if found is None:
            found = _bits(self._name, char, self._any_case) | _bits(self._name[: self._any_case], char.upper(), 0)
            self._known[char] = found
        return found

    def all_from(self, ends: int) -> int:
        """Every place from the first of these on."""
        return ((1 << len(self._name) + 1) - 1) & -(ends & -ends)

    def to_end_of_level(self, ends: int) -> int:
        """Each of these, and what follows it up to the next separator: there the sum's carries end."""
        levels = ((1 << len(self._name)) - 1) ^ self.of(SEPARATOR)
        return (((ends & levels) + levels) ^ levels) | ends


def _bits(text: str, char: str, start: int) -> int:
    bits, place = 0, text.find(char, start)
    while place >= 0:
        bits |= 1 << place
        place = text.find(char, place + 1)
    return bits


def with_parents(names: Iterable[str]) -> set[str]:
    """`names` and every level above them."""
    found: set[str] = set()
    for name in names:
        while name and name not in found:
            found.add(name)
            name = name.rpartition(SEPARATOR)[0]
    return found


def parents_of(names: Iterable[str]) -> set[str]:
    """Every level that has something of `names` below it."""
    return with_parents(name.rpartition(SEPARATOR)[0] for name in names)


def in_order(names: Iterable[str]) -> list[str]:
    """INBOX first, then by name."""
    return sorted(names, key=lambda name: (name != INBOX, name))


def list_names(
    command: List, records: Iterable[MailboxRecord], subscribed: set[str], *, rev2: bool = False
) -> list[Listed]:
    """The answer to LIST."""
    by_name = {record.name: record for record in records}
    parents = parents_of(by_name)
    matches = matcher(command.reference, command.patterns)
    names = with_parents([*by_name, *(subscribed if "SUBSCRIBED" in command.selection else ())])
    chosen = {name for name in names if _chosen(command, name, by_name, subscribed)}
    shown = {name for name in chosen if matches(name)}
    above: set[str] = set()
    if "RECURSIVEMATCH" in command.selection:
        above = parents_of(chosen)
        # One that is not chosen stands only for what is not shown itself (RFC 5258 section 3.5).
        shown |= {name for name in parents_of(chosen - shown) if matches(name)}
    criteria = tuple(name for name in CRITERIA if name in command.selection)
    return [
        Listed(
            name,
            _attributes(command, name, by_name.get(name), subscribed, has_children=name in parents, rev2=rev2),
            by_name.get(name),
            criteria if name in above else (),
            name in chosen,
        )
        for name in in_order(shown)
    ]


def _chosen(command: List, name: str, by_name: Mapping[str, MailboxRecord], subscribed: set[str]) -> bool:
    if "SUBSCRIBED" in command.selection and name not in subscribed:
        return False
    if "SPECIAL-USE" in command.selection:
        return name in by_name and bool(by_name[name].special_use)
    return True


def _attributes(
    command: List,
    name: str,
    record: MailboxRecord | None,
    subscribed: set[str],
    *,
    has_children: bool,
    rev2: bool,
) -> tuple[str, ...]:
    attributes: list[str] = []
    if record is None:
        attributes += ABSENT_REV2 if rev2 else ABSENT
    attributes.append("\\HasChildren" if has_children else "\\HasNoChildren")
    if record is not None and record.special_use:
        attributes.append(record.special_use)
    if name in subscribed and "SUBSCRIBED" in command.selection | command.returns:
        attributes.append("\\Subscribed")
    return tuple(attributes)


def attributes_of(name: str, records: Iterable[MailboxRecord]) -> tuple[str, ...]:
    """Those of one mailbox, as IMAP4rev2 wants them: whether it has children first."""
    by_name = {record.name: record for record in records}
    plain = List("", ())
    return _attributes(plain, name, by_name.get(name), set(), has_children=name in parents_of(by_name), rev2=True)


def lsub_names(command: Lsub, subscribed: set[str]) -> list[Listed]:
    """The answer to LSUB: with `%`, a level above a subscribed name stands for it (RFC 3501 section 6.3.9)."""
    matches = matcher(command.reference, [command.pattern])
    names = with_parents(subscribed) if command.pattern.endswith("%") else subscribed
    return [Listed(name, () if name in subscribed else ("\\Noselect",)) for name in in_order(names) if matches(name)]
