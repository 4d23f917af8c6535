"""Updates of results, applied as a client applies them (RFC 5267 section 4.3)."""

import asyncio
import re
from array import array
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap import search_context
from accessd.imap.search_context import Context, Contexts, _difference, updates
from mailcore.identity import AccountRef
from mailcore.index.records import Changes
from mailcore.mailbox.search_keys import All
from mailcore.mailbox.sorting import Criterion, SortBy
from tests.unit.accessd.imap.test_selected import told, view_of

SORTED = (SortBy(Criterion.SUBJECT),)
UIDS = st.lists(st.integers(1, 12), unique=True)


def context(*found: int, criteria: tuple[SortBy, ...] | None = SORTED) -> Context:
    return Context(b"S", All(), criteria, True, array("I", found))


def applied(results: list[int], line: bytes) -> list[int]:
    """What a client has that obeys a response about a sort by UID."""
    results = list(results)
    for name, places in re.findall(rb"(ADDTO|REMOVEFROM) \(([^)]*)\)", line):
        numbers = list(map(int, places.split()))
        for place, uid in zip(numbers[::2], numbers[1::2], strict=True):
            if name == b"ADDTO":
                results.insert(place - 1, uid)
            else:
                assert results.pop(place - 1) == uid
    return results


@given(UIDS, UIDS, st.permutations(range(13)))
def test_a_client_that_obeys_has_the_same_order(before: list[int], after: list[int], rank: list[int]) -> None:
    # What stays keeps its order, as it does in a sort by what does not change.
    before, after = sorted(before, key=rank.__getitem__), sorted(after, key=rank.__getitem__)
    if before == after:
        return

    line = _difference(view_of(*range(1, 13)), context(*before), context(*after))

    assert applied(before, line) == after


@given(UIDS, st.sets(st.integers(1, 12)))
def test_what_is_expunged_leaves_first(found: list[int], gone: set[int]) -> None:
    contexts = Contexts(1)
    contexts.put(context(*found))

    lines = contexts.without(view_of(*range(1, 13)), gone)

    left = [uid for uid in found if uid not in gone]
    assert applied(found, b"".join(lines)) == left == list(contexts.all()[0].found)
    assert bool(lines) == (left != found)


def test_numbers_are_those_before_the_expunge() -> None:
    view = view_of(3, 5, 8)
    view.contexts = Contexts(1)
    view.contexts.put(Context(b"N", All(), None, False, array("I", (5, 8))))
    view.take(Changes(11, 9, [], [3, 8]))

    assert told(view) == (b'* ESEARCH (TAG "N") REMOVEFROM (0 3)\r\n* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n')


@pytest.mark.parametrize("criteria", [None, SORTED])
def test_a_result_that_grows_too_large_is_followed_no_longer(
    criteria: tuple[SortBy, ...] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_context, "MOST_FOUND", 2)
    monkeypatch.setattr(search_context, "MOST_SORTED", 2)
    view = view_of(1, 2, 3)
    view.contexts = Contexts(view.modseq - 1)
    view.contexts.put(context(1, 2, criteria=criteria))

    async def again(*_: object) -> list[Context]:
        return [context(1, 2, 3, criteria=criteria)]

    session: Any = SimpleNamespace(
        view=view, selected=view, storage=None, reader=AccountRef(1, "a@b.test"), context=SimpleNamespace(offload=again)
    )

    assert asyncio.run(updates(session)) == [b'* NO [NOUPDATE "S"] Too many results\r\n']
    assert b"S" not in view.contexts
    assert asyncio.run(updates(session)) == []


def test_nothing_is_lost_when_the_database_is_away() -> None:
    view = view_of(1, 2, 3)
    view.contexts = Contexts(view.modseq - 1)
    view.contexts.put(context(1, 2, criteria=None))
    answers: list[object] = [psycopg.OperationalError("away"), [context(1, criteria=None)]]

    async def again(*_: object) -> object:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    session: Any = SimpleNamespace(
        view=view, selected=view, storage=None, reader=AccountRef(1, "a@b.test"), context=SimpleNamespace(offload=again)
    )

    assert asyncio.run(updates(session)) == []
    assert asyncio.run(updates(session)) == [b'* ESEARCH (TAG "S") UID REMOVEFROM (0 2)\r\n']
