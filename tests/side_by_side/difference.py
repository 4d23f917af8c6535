"""Where two answers differ: the path to the value, and what each server says there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.side_by_side.player import Answered

MISSING = "(nothing)"
SHOWN = 300


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference in meaning. `where` is "dialogue: step: message: path"."""

    rfc: str
    where: str
    dovecot: str
    ours: str


def differences(dialogue: str, theirs: list[Answered], ours: list[Answered]) -> Iterator[Difference]:
    """All differences of one dialogue."""
    # Where one server hangs up its answers end; that is told once.
    for one, two in zip(theirs, ours, strict=False):
        name = ": ".join(filter(None, (dialogue, one.label, one.message)))
        for path, left, right in compare(one.meaning, two.meaning):
            yield Difference(one.rfc, f"{name}: {path}", left, right)


def compare(left: Any, right: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, left and right of every place where two values differ; lists of unequal length differ as a whole."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in [*left, *(key for key in right if key not in left)]:
            yield from compare(left.get(key, MISSING), right.get(key, MISSING), f"{path}/{key}")
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for number, (one, two) in enumerate(zip(left, right, strict=True)):
            yield from compare(one, two, f"{path}/{number}")
    elif left != right or type(left) is not type(right):
        yield path, *_shown(left, right)


def _shown(left: Any, right: Any) -> tuple[str, str]:
    """Both as text; of long strings the region where they part."""
    start = 0
    if isinstance(left, bytes) and isinstance(right, bytes):
        while start < min(len(left), len(right)) and left[start] == right[start]:
            start += 1
        start = max(0, start - 20) if max(len(left), len(right)) > SHOWN else 0
    return _text(left, start), _text(right, start)


def _text(value: Any, start: int) -> str:
    if not isinstance(value, bytes):
        return str(value) if isinstance(value, str) else repr(value)[:SHOWN]
    place = f" at {start} of {len(value)}" if start or len(value) > SHOWN else ""
    return repr(value[start : start + SHOWN]) + place
