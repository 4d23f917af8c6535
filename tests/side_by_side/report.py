"""A run as text: what was played, what differs by section of the RFCs, what was left out."""

from __future__ import annotations

import re
from itertools import groupby

from tests.side_by_side.difference import Difference
from tests.side_by_side.run import Outcome

_NUMBERS = re.compile(r"[0-9]+")


def report(outcome: Outcome, *, verbose: bool = False) -> str:
    """The whole report, ending in one line that sums up."""
    lines = [f"left out: {name}: {why}" for name, why in outcome.left_out.items()]
    lines += _by_section(outcome.new, "NEW")
    if verbose:
        lines += _by_section([difference for difference, _ in outcome.explained], "known")
    for entry in outcome.vanished:
        lines.append(f"VANISHED {entry.where}\n    dovecot: {entry.dovecot}\n    ours:    {entry.ours}")
    lines.append(_sum(outcome))
    return "\n".join(lines)


def _by_section(found: list[Difference], word: str) -> list[str]:
    lines = []
    for rfc, group in groupby(sorted(found, key=lambda difference: difference.rfc), lambda difference: difference.rfc):
        lines.append(f"RFC {rfc}")
        for alike in _alike(list(group)):
            first, more = alike[0], f" and {len(alike) - 1} like it" if len(alike) > 1 else ""
            lines.append(f"  {word} {first.where}{more}\n    dovecot: {first.dovecot}\n    ours:    {first.ours}")
    return lines


def _alike(found: list[Difference]) -> list[list[Difference]]:
    """Together what says the same of one kind of value, as for many messages."""
    groups: dict[tuple[str, str, str], list[Difference]] = {}
    for difference in found:
        kind = _NUMBERS.sub("", difference.where.rpartition(": ")[2])
        groups.setdefault((kind, difference.dovecot, difference.ours), []).append(difference)
    return list(groups.values())


def _sum(outcome: Outcome) -> str:
    return (
        f"{len(outcome.played)} dialogues, {outcome.steps} answers compared: {len(outcome.new)} new differences, "
        f"{len(outcome.explained)} explained, {len(outcome.vanished)} vanished; {len(outcome.left_out)} left out"
    )
