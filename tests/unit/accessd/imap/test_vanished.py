"""What is gone of what a client knows (RFC 7162 section 3.2)."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.grammar.resync import KnownState, read_known_state
from accessd.imap.grammar.sequence_set import parse_sequence_set
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from accessd.imap.vanished import matching_up_to, resynchronised, vanished_earlier
from tests.unit.accessd.imap.test_selected import row, view_of

LARGEST = 12
PREFIX = b"* VANISHED (EARLIER) "


def named(response: bytes) -> set[int]:
    if not response:
        return set()
    assert response.startswith(PREFIX)
    text = response.removeprefix(PREFIX).removesuffix(b"\r\n")
    intervals = parse_sequence_set(text).intervals
    named = [uid for low, high in intervals for uid in range(low, high + 1)]
    assert named == sorted(set(named)), "in order, each once"
    return set(named)


def known_state(text: str) -> KnownState:
    scanner = Scanner(text.encode())
    state = read_known_state(scanner)
    scanner.end()
    return state


def joined(uids: Iterable[int]) -> list[tuple[int, int]]:
    return parse_sequence_set(",".join(map(str, uids)).encode()).resolve(0) if uids else []


uid_sets = st.sets(st.integers(1, LARGEST))


@given(present=uid_sets, known=uid_sets, more=st.integers(0, 3))
def test_when_nobody_remembers_all_that_is_not_there_is_named(present: set[int], known: set[int], more: int) -> None:
    view = view_of(*sorted(present))
    view.uidnext += more

    told = named(vanished_earlier(view, joined(sorted(known)), None))

    assert told == {uid for uid in known - present if uid < view.uidnext}


@given(present=uid_sets, known=uid_sets, expunged=uid_sets)
def test_what_is_remembered_and_known_is_named_unless_the_view_has_it(
    present: set[int], known: set[int], expunged: set[int]
) -> None:
    view = view_of(*sorted(present))
    view.uidnext = LARGEST + 1

    told = named(vanished_earlier(view, joined(sorted(known)), sorted(expunged)))

    assert told == (known & expunged) - present


@given(
    before=st.sets(st.integers(1, LARGEST), min_size=1),
    gone=uid_sets,
    sampled=uid_sets,
    arrived=st.integers(0, 3),
    remembers=st.booleans(),
)
def test_samples_never_hide_what_the_client_does_not_know(
    before: set[int], gone: set[int], sampled: set[int], arrived: int, remembers: bool
) -> None:
    """The client knew `before`; then `gone` went and others came."""
    old = sorted(before)
    now = sorted(before - gone) + list(range(LARGEST + 1, LARGEST + 1 + arrived))
    view = view_of(*now)
    view.uidnext = LARGEST + 1 + arrived
    pairs = [(number, uid) for number, uid in enumerate(old, 1) if uid in sampled]
    samples = f" ({','.join(str(n) for n, _ in pairs)} {','.join(str(u) for _, u in pairs)})" if pairs else ""
    state = known_state(f"(7 5 1:{LARGEST}{samples})")

    [vanished] = resynchronised(view, state, [], sorted(before & gone) if remembers else None)

    told = named(vanished)
    assert before & gone <= told
    assert not told & set(now)


def test_samples_shorten_the_answer_up_to_the_last_that_fits() -> None:
    """The example of RFC 7162 section 3.2.5.2: message 4 is UID 8; message 12 is not UID 24 any more."""
    view = view_of(2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 25)
    view.uidnext = 30

    [vanished] = resynchronised(view, known_state("(7 1 1:29 (4,12 8,24))"), [], None)

    assert named(vanished) == {9, 11, 13, 15, 17, 19, 21, 23, 24, 26, 27, 28, 29}


def test_a_run_of_samples_fits_as_far_as_it_goes() -> None:
    view = view_of(3, 4, 5, 9, 10)

    assert matching_up_to(view.uids, known_state("(7 1 (1:5 3:7))")) == 5
    assert matching_up_to(view.uids, known_state("(7 1 (1:2,4:99 3:4,9:104))")) == 10
    assert matching_up_to(view.uids, known_state("(7 1 (2:3 3:4))")) == 0


def test_millions_of_removed_messages_are_named_in_intervals() -> None:
    view = view_of(1, 4_000_000_000)

    assert vanished_earlier(view, [(1, 4_000_000_000)], None) == PREFIX + b"2:3999999999\r\n"


def test_flags_are_told_of_known_messages_that_are_still_there() -> None:
    view = view_of(1, 2, 5)

    told = resynchronised(view, known_state("(7 3 1:4)"), [row(1), row(2), row(4), row(5)], [3])

    assert told == [
        PREFIX + b"3\r\n",
        b"* 1 FETCH (UID 1 FLAGS () MODSEQ (11))\r\n",
        b"* 2 FETCH (UID 2 FLAGS () MODSEQ (11))\r\n",
    ]


def test_who_knows_nothing_yet_may_say_zero() -> None:
    """The ABNF has no zero here; Dovecot takes it, and it means everything."""
    assert known_state("(0 0)") == KnownState(0, 0)


@pytest.mark.parametrize(
    "text",
    [
        "(4294967296 1)",
        "(1 9223372036854775808)",
        "(1 1 *)",
        "(1 1 1:*)",
        "(1 1 ())",
        "(1 1 (1:*  1:*))",
        "(1 1 (1))",
        "(1 1 (1:2 1))",
        "(1 1 (1 1:2))",
        "(1 1 (2,1 1,2))",
        "(1 1 (1,2 2,1))",
        "(1 1 (2:1 1:2))",
        "(1 1 (1:3,2 1:4))",
        "(1 1 1:2 (1 1) 3)",
        "(1)",
        "1 1",
    ],
)
def test_what_the_grammar_does_not_allow(text: str) -> None:
    with pytest.raises(BadSyntax):
        known_state(text)


def test_each_part_may_be_left_out() -> None:
    assert known_state("(7 5)") == KnownState(7, 5)
    assert known_state("(7 5 1:3,9)") == KnownState(7, 5, parse_sequence_set(b"1:3,9"))
    assert known_state("(7 5 (1 2))") == KnownState(7, 5, None, ((1, 2, 1),))
    assert known_state("(7 5 1:9 (1:4,8 3,5:7,9))").samples == ((1, 3, 1), (2, 5, 3), (8, 9, 1))
