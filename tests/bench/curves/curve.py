"""What a growth curve is: something that becomes larger, and figures measured at each size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.bench.servers import Appliance


class Subject(Protocol):
    """One curve on one running appliance. Sizes only grow."""

    def grow(self, size: int) -> None:
        """Make it that large, and warm what a running system has warm."""

    def measure(self) -> dict[str, float]:
        """One round of figures, by the names of the curve's measures."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure of a curve. `flat`: it should not depend on the size; otherwise `grows` says why it may."""

    name: str
    unit: str
    flat: bool = True
    grows: str = ""

    @property
    def more_is_better(self) -> bool:
        return "/s" in self.unit


@dataclass(frozen=True, slots=True)
class Curve:
    """`subject` is called with a fresh appliance; with `fresh_each`, with another one for every size."""

    name: str
    title: str
    axis: str
    sizes: tuple[int, ...]
    small: tuple[int, ...]
    measures: tuple[Measure, ...]
    subject: Callable[[Appliance], Subject]
    about: str
    rounds: int = 3
    users: int = 20  # how many of the accounts user0.. the appliance is seeded with
    fresh_each: bool = False


def milliseconds(seconds: list[float]) -> float:
    """The median, in milliseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1e3
