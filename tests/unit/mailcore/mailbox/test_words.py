"""Substrings found over packed words are those found by reading."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.mailbox.words import Needle, Packed, WordCollector, find_words, from_octets

TEXT = st.text(alphabet="abé \n\t\u2003ß\ud83d\udca9", max_size=30)


def packed(texts: list[str]) -> Packed:
    collector = WordCollector()
    for position, text in enumerate(texts):
        collector.add(position, set(text.split()))
    return collector.pack()


def holders(block: Packed, piece: bytes, most: int = 1000) -> set[int] | None:
    numbers = find_words(block.words, piece, most)
    if numbers is None:
        return None
    offsets, postings = from_octets("I", block.offsets), from_octets("H", block.postings)
    return {position for n in numbers for position in postings[offsets[n] : offsets[n + 1]]}


@given(st.lists(TEXT, max_size=8), TEXT)
def test_words_never_miss_a_text_and_are_exact_without_white_space(texts: list[str], wanted: str):
    block, needle = packed(texts), Needle.parse(wanted)
    matching = {position for position, text in enumerate(texts) if wanted in text}

    for piece in needle.pieces:
        found = holders(block, piece)

        assert found is not None
        assert matching <= found
        if needle.is_exact:
            assert found == matching


@pytest.mark.parametrize(
    ("wanted", "pieces", "is_exact"),
    [
        ("quokka", (b"quokka",), True),
        ("ann@example.org", (b"ann@example.org",), True),
        ("see you", (b"see\n", b"\nyou"), False),
        ("the big one", (b"the\n", b"\nbig\n", b"\none"), False),
        (" quokka", (b"\nquokka",), False),
        ("be quick", (b"be\n", b"\nquick"), False),
        ("a quokka", (b"\nquokka",), False),
        ("ab", (), False),
        ("é", (), False),
        ("", (), False),
        ("  ", (), False),
    ],
)
def test_what_is_looked_for_is_taken_apart_at_white_space(wanted, pieces, is_exact):
    assert Needle.parse(wanted) == Needle(pieces, is_exact)


def test_a_piece_in_too_many_words_is_not_counted_to_the_end():
    block = packed(["abc1 abc2 abc3"])

    assert find_words(block.words, b"abc", 3) == [0, 1, 2]
    assert find_words(block.words, b"abc", 2) is None


def test_a_word_counts_once_however_often_it_holds_the_piece():
    assert find_words(packed(["aaaaaa baa"]).words, b"aa", 9) == [0, 1]


def test_no_messages_make_an_empty_block():
    block = packed([])

    assert find_words(block.words, b"any", 9) == []
    assert from_octets("I", block.offsets).tolist() == [0]
