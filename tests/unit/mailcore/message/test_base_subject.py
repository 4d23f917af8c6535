"""The base subject (RFC 5256 section 2.1)."""

import time

import pytest

from mailcore.message.base_subject import base_subject


@pytest.mark.parametrize(
    ("subject", "text", "is_reply"),
    [
        ("Hello", "HELLO", False),
        ("  Hello \t there ", "HELLO THERE", False),
        ("Re: Hello", "HELLO", True),
        ("re : Hello", "HELLO", True),
        ("RE[2]: Hello", "HELLO", True),
        ("Re [2] : Hello", "HELLO", True),
        ("Fwd: fw: Re: Hello", "HELLO", True),
        ("Forward: Hello", "FORWARD: HELLO", False),
        ("[list] Re: [list] Hello", "HELLO", True),
        ("[one][two] Hello", "HELLO", False),
        ("[one] [two] Re: Hello", "HELLO", True),
        ("[only]", "[ONLY]", False),
        ("[one][only]", "[ONLY]", False),
        ("[open Hello", "[OPEN HELLO", False),
        ("Hello (fwd)", "HELLO", True),
        ("Hello (FWD) (fwd) ", "HELLO", True),
        ("[fwd: Hello]", "HELLO", True),
        ("[Fwd: Re: [Fwd: [list] Hello (fwd)]]", "HELLO", True),
        ("[fwd: Hello", "[FWD: HELLO", False),
        ("Re:", "", True),
        ("(fwd)", "", True),
        ("Re: (fwd)", "", True),
        ("", "", False),
        ("Re", "RE", False),
        ("Reply", "REPLY", False),
        ("\u00c9t\u00e9", "E\u0301TE\u0301", False),
    ],
)
def test_base_subject(subject: str, text: str, is_reply: bool) -> None:
    assert base_subject(subject) == (text, is_reply)


@pytest.mark.parametrize("text", ["[a]", "[", "re:", "[fwd:", "(fwd)", " ", "[a", "re[", "[fwd:]"])
def test_a_subject_of_nothing_else_takes_no_time(text: str) -> None:
    started = time.process_time()

    base_subject(text * 20_000)

    assert time.process_time() - started < 0.5
