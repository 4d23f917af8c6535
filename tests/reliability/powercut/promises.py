"""What must be found after a cut: from what the program had been promised, and what it had begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.reliability.powercut.record import Recording

MAYBE = frozenset({0, 1})
ONCE = frozenset({1})
GONE = frozenset({0})
Flags = frozenset[str]


@dataclass
class Expected:
    """By (account, message): how often it may be in each mailbox; the flags it may have; whether it must be somewhere.
    By queued message: the sets of recipients it may have, () for none.
    """

    places: dict[tuple[str, str], dict[str, frozenset[int]]] = field(default_factory=dict)
    flags: dict[tuple[str, str], set[Flags]] = field(default_factory=dict)
    must_be: set[tuple[str, str]] = field(default_factory=set)
    queued: dict[str, set[frozenset[str]]] = field(default_factory=dict)
    # Of each of these one must be somewhere, in the queue or in a mailbox.
    either: list[list[str]] = field(default_factory=list)

    def apply(self, effects: dict[str, Any], *, done: bool) -> None:
        """Something was begun, or is promised now."""
        for name, each in effects.items():
            for effect in each:
                _EFFECTS[name](self, done, *effect)

    def add(self, done: bool, account: str, mailbox: str, tag: str, *flags: str) -> None:
        """A message arrives. One that nobody was told about may lose its flags, not its content."""
        self.places.setdefault((account, tag), {})[mailbox] = ONCE if done else MAYBE
        self.flags[account, tag] = {frozenset(flags)} if done else {frozenset(), frozenset(flags)}
        if done:
            self.must_be.add((account, tag))

    def remove(self, done: bool, account: str, mailbox: str, tag: str) -> None:
        """Expunged: it may come back, as a new message."""
        self.places[account, tag][mailbox] = MAYBE
        self.must_be.discard((account, tag))

    def copy(self, done: bool, account: str, source: str, target: str, tag: str) -> None:
        self.places[account, tag][target] = ONCE if done else MAYBE

    def move(self, done: bool, account: str, source: str, target: str, tag: str) -> None:
        self.places[account, tag][source] = GONE if done else MAYBE
        self.places[account, tag][target] = ONCE if done else MAYBE

    def flag(self, done: bool, account: str, tag: str, *flags: str) -> None:
        """Flags are not flushed (ADR 18): the old ones may come back."""
        self.flags[account, tag].add(frozenset(flags))

    def queue(self, done: bool, tag: str, recipients: Sequence[str]) -> None:
        wanted = frozenset(recipients)
        self.queued[tag] = {wanted} if done else {frozenset(), wanted}

    def unqueue(self, done: bool, tag: str, recipients: Sequence[str]) -> None:
        before = self.queued[tag]
        after = {each - set(recipients) for each in before}
        self.queued[tag] = after if done else before | after

    def one_of(self, done: bool, *tags: str) -> None:
        self.either.append(list(tags))


_EFFECTS = {
    "add": Expected.add,
    "remove": Expected.remove,
    "copy": Expected.copy,
    "move": Expected.move,
    "flag": Expected.flag,
    "queue": Expected.queue,
    "unqueue": Expected.unqueue,
    "either": Expected.one_of,
}


def expected_at(recording: Recording, cut: int) -> Expected:
    """Everything that was said up to this moment, in order."""
    expected = Expected()
    said = [*recording.before, *(each.what for each in recording.said if each.at <= cut)]
    for what in said:
        if "begins" in what:
            expected.apply(what["begins"], done=False)
        elif "promised" in what:
            expected.apply(what["promised"], done=True)
    return expected
