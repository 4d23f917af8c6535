"""Words of many texts, packed so that a substring is looked for in all of them at once. Pure.

A word is what stands between white space, folded. All different words of a block of messages stand in one run of octets
with a line feed around each, so that one `find` over it answers for all messages; `offsets` and `postings` then tell in
which messages a word is. A text contains a piece without white space exactly if one of its words does; for a piece with
white space in it the words only tell where it cannot be.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Iterable
from dataclasses import dataclass

# Octets of different words in one block: bounds what a search reads at once and what packing keeps in memory.
MOST_OCTETS = 8 << 20
MOST_MESSAGES = 1000
# Shorter pieces are in too many words to be of use.
_SHORTEST = 3
_BREAK = b"\n"


@dataclass(frozen=True, slots=True)
class Packed:
    """`words` begins and ends with a line feed; the messages of word n are postings[offsets[n] : offsets[n + 1]]."""

    words: bytes
    offsets: bytes
    postings: bytes


class WordCollector:
    """Collects the words of a block of messages, which are known by their position in it."""

    def __init__(self) -> None:
        self._positions: dict[str, list[int]] = {}
        self._octets = 0

    def add(self, position: int, words: Iterable[str]) -> None:
        """The different words of the next message."""
        positions = self._positions
        for word in words:
            try:
                positions[word].append(position)
            except KeyError:
                positions[word] = [position]
                self._octets += len(word)

    @property
    def is_full(self) -> bool:
        """Should the block end here?"""
        return self._octets > MOST_OCTETS

    def pack(self) -> Packed:
        """The block."""
        words = sorted(self._positions)
        offsets, postings = array("I", [0]), array("H")
        for word in words:
            postings.extend(self._positions[word])
            offsets.append(len(postings))
        run = "".join(f"\n{word}" for word in words) + "\n"
        return Packed(run.encode("utf-8", "surrogatepass"), to_octets(offsets), to_octets(postings))


@dataclass(frozen=True, slots=True)
class Needle:
    """What is looked for: `pieces`, each of which must be in some word. `is_exact`: that is all there is to it."""

    pieces: tuple[bytes, ...]
    is_exact: bool

    @classmethod
    def parse(cls, wanted: str) -> Needle:
        """`wanted` is folded. There are no pieces if words cannot help to find it."""
        words = wanted.split()
        if not words:
            return cls((), is_exact=False)
        starts, ends = wanted[0].isspace(), wanted[-1].isspace()
        last = len(words) - 1
        pieces = [
            ("\n" if starts or number else "") + word + ("\n" if ends or number < last else "")
            for number, word in enumerate(words)
        ]
        encoded = [piece.encode("utf-8", "surrogatepass") for piece in pieces]
        useful = tuple(piece for piece in encoded if len(piece) >= _SHORTEST)
        return cls(useful, is_exact=len(useful) == len(pieces) == 1 and not starts and not ends)


def find_words(words: bytes, piece: bytes, most: int) -> list[int] | None:
    """The numbers of the words that contain `piece`; None if they are more than `most`."""
    found: list[int] = []
    number, counted = -1, 0
    at = words.find(piece)
    while at >= 0:
        if len(found) == most:
            return None
        inside = at + piece.startswith(_BREAK)
        number += words.count(_BREAK, counted, inside)
        counted = inside
        found.append(number)
        at = words.find(piece, words.find(_BREAK, at + len(piece) - 1))
    return found


def to_octets(numbers: array[int]) -> bytes:
    """Little-endian, whatever this machine is."""
    if sys.byteorder == "big":
        numbers = array(numbers.typecode, numbers)
        numbers.byteswap()
    return numbers.tobytes()


def from_octets(typecode: str, octets: bytes) -> array[int]:
    """The numbers again: "I" for four octets each, "H" for two."""
    numbers = array(typecode)
    numbers.frombytes(octets)
    if sys.byteorder == "big":
        numbers.byteswap()
    return numbers
