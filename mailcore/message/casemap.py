"""i;unicode-casemap (RFC 5051): what two texts have in common that differ in case or in how characters are composed.

Each character becomes its titlecase character, then that one's full decomposition, with the accents of a letter in
their canonical order. Pure; linear in the length of the text, also where a letter has a million accents.
"""

import re
import unicodedata
from functools import lru_cache

VERSION = 1
"""Of this mapping. What was mapped by another one is not compared with what is mapped by this."""

# UAX #15 section 13: no language stacks more marks on a letter.
_MOST_MARKS = 30
_JOINER = "\u034f"
# Case and marks end before.
_LAST = 0x20000


def casemap(text: str) -> str:
    """`text` as it is compared: equal results, equal texts."""
    if text.isascii():
        return text.upper()
    pieces = _unlike_in_capitals().split(text)
    titled = "".join([_title(piece) if number % 2 else piece.upper() for number, piece in enumerate(pieces)])
    if not _marks().isdisjoint(text):
        titled = _long_runs_of_marks().sub(_interrupted, titled)
    return unicodedata.normalize("NFKD", titled)


def _title(character: str) -> str:
    """The titlecase character of UnicodeData.txt, which is always a single one: "ß" has none."""
    title = character.title()
    return title if len(title) == 1 else character


@lru_cache(maxsize=1)
def _unlike_in_capitals() -> re.Pattern[str]:
    """The few characters that str.upper(), which is quick, maps to something else."""
    unlike = "".join(chr(code) for code in range(_LAST) if chr(code).upper() != _title(chr(code)))
    return re.compile(f"([{unlike}])")


@lru_cache(maxsize=1)
def _marks() -> frozenset[str]:
    return frozenset(chr(code) for code in range(_LAST) if unicodedata.combining(chr(code)))


@lru_cache(maxsize=1)
def _long_runs_of_marks() -> re.Pattern[str]:
    """Normalisation sorts the accents of a letter in quadratic time, and a letter may have a million of them."""
    return re.compile(f"[{''.join(sorted(_marks()))}]{{{_MOST_MARKS + 1},}}")


def _interrupted(run: re.Match[str]) -> str:
    """A character that ends the run every so often: the Stream-Safe Text Process of UAX #15."""
    text = run[0]
    return _JOINER.join(text[start : start + _MOST_MARKS] for start in range(0, len(text), _MOST_MARKS))
