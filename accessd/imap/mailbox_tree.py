"""Which names LIST and LSUB show, and with which attributes. Pure.

Patterns: `*` matches anything, `%` anything but the separator. A level that exists only because something
is below it is shown with \\NonExistent and \\Noselect (RFC 5258 section 3). The special uses are those of
RFC 6154.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from accessd.imap.command import List, Lsub
from accessd.imap.grammar.mailbox_name import INBOX, SEPARATOR
from mailcore.index.records import MailboxRecord

ABSENT = ("\\NonExistent", "\\Noselect")


@dataclass(frozen=True, slots=True)
class Listed:
    """One line of the answer."""

    name: str
    attributes: tuple[str, ...]
    record: MailboxRecord | None = None
    child_subscribed: bool = False


def matcher(reference: str, patterns: Iterable[str]) -> Callable[[str], bool]:
    """Does a name match one of the patterns? The reference is put in front of each."""
    wanted = [_simplified(reference + pattern) for pattern in patterns]
    return lambda name: any(_matches(pattern, name) for pattern in wanted)


def _simplified(pattern: str) -> str:
    """Neighbouring wildcards are one."""
    return re.sub(r"[*%]*\*[*%]*", "*", re.sub("%+", "%", pattern))


def _matches(pattern: str, name: str) -> bool:
    """All ways to match are followed side by side, so that many wildcards cost time in proportion only. A regular
    expression would try them one after the other.
    """
    if pattern == "*":
        return True
    ends = {0}
    for char in pattern:
        if char == "*":
            ends = set(range(min(ends), len(name) + 1))
        elif char == "%":
            ends = {end for start in ends for end in range(start, _level_end(name, start) + 1)}
        else:
            ends = {end + 1 for end in ends if name[end : end + 1] == char}
        if not ends:
            return False
    return len(name) in ends


def _level_end(name: str, start: int) -> int:
    separator = name.find(SEPARATOR, start)
    return len(name) if separator < 0 else separator


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


def list_names(command: List, records: Iterable[MailboxRecord], subscribed: set[str]) -> list[Listed]:
    """The answer to LIST."""
    by_name = {record.name: record for record in records}
    parents = parents_of(by_name)
    parents_of_subscribed = parents_of(subscribed)
    matches = matcher(command.reference, command.patterns)
    listed = []
    for name in in_order(with_parents([*by_name, *(subscribed if "SUBSCRIBED" in command.selection else ())])):
        chosen = _chosen(command, name, by_name, subscribed)
        below = "RECURSIVEMATCH" in command.selection and name in parents_of_subscribed
        if matches(name) and (chosen or below):
            attributes = _attributes(command, name, by_name.get(name), subscribed, has_children=name in parents)
            listed.append(Listed(name, attributes, by_name.get(name), child_subscribed=below))
    return listed


def _chosen(command: List, name: str, by_name: Mapping[str, MailboxRecord], subscribed: set[str]) -> bool:
    if "SUBSCRIBED" in command.selection and name not in subscribed:
        return False
    if "SPECIAL-USE" in command.selection:
        return name in by_name and bool(by_name[name].special_use)
    return True


def _attributes(
    command: List, name: str, record: MailboxRecord | None, subscribed: set[str], *, has_children: bool
) -> tuple[str, ...]:
    attributes = [] if record is not None else list(ABSENT)
    attributes.append("\\HasChildren" if has_children else "\\HasNoChildren")
    if record is not None and record.special_use:
        attributes.append(record.special_use)
    if name in subscribed and "SUBSCRIBED" in command.selection | command.returns:
        attributes.append("\\Subscribed")
    return tuple(attributes)


def lsub_names(command: Lsub, subscribed: set[str]) -> list[Listed]:
    """The answer to LSUB: with `%`, a level above a subscribed name stands for it (RFC 3501 section 6.3.9)."""
    matches = matcher(command.reference, [command.pattern])
    names = with_parents(subscribed) if command.pattern.endswith("%") else subscribed
    return [Listed(name, () if name in subscribed else ("\\Noselect",)) for name in in_order(names) if matches(name)]
