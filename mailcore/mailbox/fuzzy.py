"""FUZZY: messages that hold many of the words, and how well each does (RFC 6203 section 3).

A text is looked for by its words, in any order. A word that is there counts fully; one that only begins as some word
does, because its ending differs, counts for half. A message matches with half of what it could have. Made of the
ordinary search, so what is indexed answers without reading.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mailcore.mailbox.search_keys import And, Body, Fuzzy, Header, Or, SearchKey, Text

Matching = Callable[[SearchKey, set[int]], set[int]]

_FULL = 100
_BEGINNING = 50
_LEAST = 50
_MOST_WORDS = 10
# Shorter beginnings are those of too many words.
_SHORTEST = 4
_ENDING = 3


class FuzzyScores:
    """The FUZZY keys of one search; `matching` is its exact counterpart."""

    def __init__(self, matching: Matching) -> None:
        self._matching = matching
        self._found: dict[int, list[int]] = {}

    def scores(self) -> dict[int, int]:
        """1 to 100 for each message that a FUZZY key has found, on average of the keys that did."""
        return {uid: max(sum(each) // len(each), 1) for uid, each in self._found.items()}

    def matching(self, key: SearchKey, among: set[int]) -> set[int]:
        """Those of `among` that match roughly. What is not about text matches exactly or not at all."""
        match key:
            case And(keys):
                return self._matching(And(tuple(map(Fuzzy, keys))), among)
            case Or(left, right):
                return self._matching(Or(Fuzzy(left), Fuzzy(right)), among)
            case Fuzzy(inner):
                return self.matching(inner, among)
            case Header() | Body() | Text() if key.value.split():
                return self._by_words(key, among)
            case _:
                return self._note(dict.fromkeys(self._matching(key, among), _FULL))

    def _by_words(self, key: Header | Body | Text, among: set[int]) -> set[int]:
        words = _words(key.value)
        points = dict.fromkeys(among, 0)
        for word in words:
            found = self._matching(replace(key, value=word), among)
            for uid in found:
                points[uid] += _FULL
            if (beginning := _beginning(word)) != word:
                for uid in self._matching(replace(key, value=beginning), among - found):
                    points[uid] += _BEGINNING
        enough = _LEAST * len(words)
        return self._note({uid: each // len(words) for uid, each in points.items() if each >= enough})

    def _note(self, scores: dict[int, int]) -> set[int]:
        for uid, score in scores.items():
            self._found.setdefault(uid, []).append(score)
        return set(scores)


def look_ups(text: str) -> int:
    """How many texts are looked for, at most, to find `text` roughly."""
    return max(2 * len(_words(text)), 1)


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(text.split()))[:_MOST_WORDS]


def _beginning(word: str) -> str:
    """`word` without what endings are made of: a third of it, at most three letters."""
    return word[: max(len(word) - min(max(len(word) // 3, 1), _ENDING), _SHORTEST)]
