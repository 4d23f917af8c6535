"""Scores of FUZZY keys (RFC 6203)."""

import pytest

from mailcore.mailbox.fuzzy import FuzzyScores
from mailcore.mailbox.search_keys import And, Body, FlagKey, Fuzzy, Not, Or, SearchKey

TEXTS = {1: "the quick brown foxes", 2: "a quick fox", 3: "foxes and hounds", 4: ""}


class Search:
    """The ordinary search over TEXTS."""

    def __init__(self) -> None:
        self.fuzzy = FuzzyScores(self.matching)

    def matching(self, key: SearchKey, among: set[int]) -> set[int]:
        match key:
            case And(keys):
                for each in keys:
                    among = self.matching(each, among)
                return among
            case Or(left, right):
                return self.matching(left, among) | self.matching(right, among)
            case Not(inner):
                return among - self.matching(inner, among)
            case Fuzzy(inner):
                return self.fuzzy.matching(inner, among)
            case Body(value):
                return {uid for uid in among if value in TEXTS[uid]}
            case _:
                return {uid for uid in among if uid % 2}


@pytest.mark.parametrize(
    ("key", "found", "scores"),
    [
        (Body("quick"), {1, 2}, {1: 100, 2: 100}),
        (Body("quickly"), {1, 2}, {1: 50, 2: 50}),
        (Body("quick foxes"), {1, 2, 3}, {1: 100, 2: 50, 3: 50}),
        (Body("foxes quick foxes"), {1, 2, 3}, {1: 100, 2: 50, 3: 50}),
        (Body("quick brown foxes wombat"), {1}, {1: 75}),
        (Body("wombat"), set(), {}),
        (Body("fox"), {1, 2, 3}, {1: 100, 2: 100, 3: 100}),
        (Body("foz"), set(), {}),
        # What has no words, and what is no text, matches exactly.
        (Body(" "), {1, 2, 3}, {1: 100, 2: 100, 3: 100}),
        (FlagKey(1), {1, 3}, {1: 100, 3: 100}),
        (Fuzzy(Body("quickly")), {1, 2}, {1: 50, 2: 50}),
        # On average of the keys that found it.
        (And((Body("quickly"), Body("foxes"))), {1}, {1: 75, 2: 50}),
        (Or(Body("quickly"), Body("hounds")), {1, 2, 3}, {1: 50, 2: 50, 3: 100}),
        (Not(Body("quickly")), {1, 2, 3, 4}, {1: 100, 2: 100, 3: 100, 4: 100}),
    ],
)
def test_what_is_found_and_how_well(key: SearchKey, found: set[int], scores: dict[int, int]) -> None:
    search = Search()

    assert search.matching(Fuzzy(key), set(TEXTS)) == found
    assert search.fuzzy.scores() == scores
