"""RETURN (...) of SEARCH, SORT and their kin: which of its results a client wants (RFC 4731, RFC 4466, RFC 5182,
RFC 5267, RFC 9394).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from accessd.imap.grammar.tokens import MAX_UINT32, BadSyntax, Scanner

T = TypeVar("T", bound=Sequence[int])

_PARTIAL = re.compile(rb"(-?)(\d{1,10}):(-?)(\d{1,10})")
_OPTIONS = frozenset({"MIN", "MAX", "ALL", "COUNT", "SAVE", "CONTEXT", "UPDATE", "RELEVANCY"})
# They say nothing of which results are to be told (RFC 5267 section 4, RFC 6203 section 4).
_ASIDE = frozenset({"CONTEXT", "UPDATE", "RELEVANCY"})


@dataclass(frozen=True, slots=True)
class PartialRange:
    """Results `low` to `high`, counted from 1; from the last one backwards if `from_end`."""

    low: int
    high: int
    from_end: bool = False
    text: bytes = b""
    """As the client wrote it, which is how it is answered."""

    def of(self, results: T) -> T:
        """Those of `results`, in their order (RFC 9394 section 3.1)."""
        if not self.from_end:
            return results[self.low - 1 : self.high]  # type: ignore[return-value]
        count = len(results)
        return results[max(count - self.high, 0) : max(count - self.low + 1, 0)]  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class Returns:
    """The options; none of them in RETURN () means ALL."""

    options: frozenset[str] = frozenset({"ALL"})
    partial: PartialRange | None = None

    @property
    def saves(self) -> bool:
        """Does the result become `$` (RFC 5182)?"""
        return "SAVE" in self.options

    @property
    def is_silent(self) -> bool:
        """Is the result only to be kept, not told (RFC 5182 section 2.1)?"""
        return self.partial is None and self.options - _ASIDE == {"SAVE"}

    @property
    def tells_scores(self) -> bool:
        """Is it to be told how well results match (RFC 6203 section 4)?"""
        return "RELEVANCY" in self.options

    @property
    def updates(self) -> bool:
        """Is the client to be kept up to date about the results (RFC 5267 section 4.3)?"""
        return "UPDATE" in self.options

    @property
    def wants_all(self) -> bool:
        """Is more asked for than some of the results? Then all of them count for SAVE and MODSEQ."""
        some = self.options - _ASIDE - {"SAVE"}
        return bool(some - {"MIN", "MAX"}) or not (some or self.partial)

    def of(self, results: Sequence[int]) -> list[int]:
        """Those of the results that are saved, and whose highest MODSEQ is told (RFC 5182 section 2.4, RFC 9394
        section 3.2, RFC 7162 section 3.1.10).
        """
        if self.wants_all:
            return list(results)
        found = set(self.partial.of(results)) if self.partial is not None else set[int]()
        found.update(results[:1] if "MIN" in self.options else ())
        found.update(results[-1:] if "MAX" in self.options else ())
        return sorted(found)


def read_returns(scanner: Scanner) -> Returns | None:
    """[SP "RETURN" SP "(" options ")"]; None if there is none."""
    if scanner.data[scanner.position : scanner.position + 9].upper() != b" RETURN (":
        return None
    scanner.position += 8
    found = scanner.parenthesised(_option, empty=True)
    partials = [each for each in found if isinstance(each, PartialRange)]
    options = frozenset(each for each in found if isinstance(each, str))
    if len(partials) > 1 or (partials and "ALL" in options):
        raise BadSyntax("PARTIAL stands alone, without ALL")
    if not partials and options <= _ASIDE:
        options |= {"ALL"}
    return Returns(options, partials[0] if partials else None)


def _option(scanner: Scanner) -> str | PartialRange:
    name = scanner.keyword()
    if name == "PARTIAL":
        scanner.space()
        return read_partial_range(scanner)
    if name not in _OPTIONS:
        raise BadSyntax("Unknown RETURN option")
    return name


def read_partial_range(scanner: Scanner) -> PartialRange:
    """partial-range of RFC 9394: 1:100, or -1:-100 from the end."""
    match = scanner.match(_PARTIAL, "a range of results")
    first_sign, first, last_sign, last = match.groups()
    low, high = sorted((int(first), int(last)))
    if first_sign != last_sign or low == 0 or high > MAX_UINT32:
        raise BadSyntax("Invalid range of results")
    return PartialRange(low, high, from_end=bool(first_sign), text=match.group())
