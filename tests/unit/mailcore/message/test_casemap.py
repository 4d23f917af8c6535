"""i;unicode-casemap (RFC 5051)."""

import time
import unicodedata

import pytest

from mailcore.message.casemap import casemap


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Hello", "hELLO"),
        ("Grüße", "GRÜßE"),
        # Composed and not.
        ("caf\u00e9", "cafe\u0301"),
        ("\u01c4", "\u01c6"),
        ("\u01c5", "\u01c6"),
        # The Greek final sigma, KELVIN SIGN, full width, no-break space, a ligature.
        ("\u03c3", "\u03c2"),
        ("K", "\u212a"),
        ("\uff21", "a"),
        ("a b", "a\u00a0b"),
        ("\ufb01", "\ufb01"),
        ("ПРИВЕТ", "привет"),
        ("\U00010428", "\U00010400"),
        ("\uac00", "\u1100\u1161"),
    ],
)
def test_texts_that_are_equal(one: str, other: str) -> None:
    assert casemap(one) == casemap(other)


@pytest.mark.parametrize(("one", "other"), [("a", "b"), ("ss", "ß"), ("e", "é"), ("\U0001f600", "\U0001f601")])
def test_texts_that_are_not(one: str, other: str) -> None:
    assert casemap(one) != casemap(other)


def test_titlecase_comes_first_then_decomposition() -> None:
    assert casemap("\u01c6") == "Dz\u030c"
    assert casemap("\u00e5a") == "A\u030aA"


def test_accents_are_in_their_order() -> None:
    assert casemap("a\u0316\u0301") == casemap("a\u0301\u0316")


def test_a_million_accents_take_no_longer_than_as_many_letters() -> None:
    started = time.process_time()

    casemap("a" + "\u0301\u0316" * 500_000)

    assert time.process_time() - started < 2


def test_every_character_is_mapped_as_by_the_tables() -> None:
    for code in range(0x20000):
        title = chr(code).title()
        single = title if len(title) == 1 else chr(code)
        assert casemap(chr(code)) == unicodedata.normalize("NFKD", single), hex(code)
