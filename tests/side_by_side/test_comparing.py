"""The comparer itself: how answers are read, what is taken for the same, and what is not."""

import pytest

from tests.side_by_side.dialogue import parse
from tests.side_by_side.difference import Difference, compare
from tests.side_by_side.known import Known, vanished
from tests.side_by_side.meaning import meaning_of
from tests.side_by_side.pop3_meaning import Answer, is_long
from tests.side_by_side.pop3_meaning import meaning_of as pop3_meaning_of
from tests.side_by_side.sections import section_numbers
from tests.side_by_side.values import Reader, Unreadable, read_response


def meaning(*lines: bytes):
    return meaning_of([read_response(line + b"\r\n") for line in lines])


def differ(left: list[bytes], right: list[bytes]) -> list[str]:
    return [path for path, _, _ in compare(meaning(*left), meaning(*right))]


def test_values_of_every_kind_are_read():
    data = b'* 1 FETCH (FLAGS (\\Seen a) BODY[HEADER.FIELDS (TO)]<0> {3}\r\na"b X NIL "q\\"\\\\" ("1" 1))\r\n'

    assert read_response(data).values == [
        "1", "FETCH", ["FLAGS", ["\\Seen", "a"], "BODY[HEADER.FIELDS (TO)]<0>", b'a"b', "X", None, b'q"\\', [b"1", "1"]]
    ]  # fmt: skip


@pytest.mark.parametrize("data", [b"(a", b'"a', b"(a))", b'a"'])
def test_what_is_no_value_is_refused(data):
    with pytest.raises(Unreadable):
        Reader(data).all_values()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ([b"* 1 FETCH (UID 1 FLAGS (\\Seen x))"], [b"* 1 FETCH (FLAGS (X \\seen))", b"* 1 FETCH (UID 1)"]),
        ([b"* 2 EXPUNGE", b"* 2 EXPUNGE"], [b"* 3 EXPUNGE", b"* 2 EXPUNGE"]),
        ([b"* OK [UIDVALIDITY 1] a", b"t1 OK [APPENDUID 1 7] b"], [b"* OK [UIDVALIDITY 2] c", b"x OK [APPENDUID 2 7]"]),
        ([b'* LIST (\\A \\B) "/" inbox'], [b'* LIST (\\b \\a) "/" "INBOX"']),
        (
            [b'* 1 FETCH (INTERNALDATE "01-Jan-2024 10:00:00 +0100")'],
            [b'* 1 FETCH (INTERNALDATE " 1-Jan-2024 09:00:00 +0000")'],
        ),
        (
            [b'* 1 FETCH (BODY ("text" "plain" ("charset" "x") NIL NIL "7bit" 1 1))'],
            [b'* 1 FETCH (BODY ("TEXT" "PLAIN" ("CHARSET" "x") NIL NIL "7BIT" 1 1))'],
        ),
        ([b"* VANISHED 1:3"], [b"* VANISHED 3", b"* VANISHED 1:2"]),
    ],
)
def test_what_a_server_is_free_to_choose_is_no_difference(left, right):
    assert differ(left, right) == []


@pytest.mark.parametrize(
    ("left", "right", "path"),
    [
        ([b"t OK x"], [b"t NO x"], "/tagged"),
        ([b"t OK [READ-ONLY] x"], [b"t OK x"], "/tagged READ-ONLY"),
        ([b'* 1 FETCH (BODY[] "")'], [b"* 1 FETCH (BODY[] NIL)"], "/FETCH/1/BODY[]"),
        ([b"* SORT 1 2"], [b"* SORT 2 1"], "/SORT"),
        ([b"* THREAD (1 2)"], [b"* THREAD (1)(2)"], "/THREAD"),
        ([b"* 2 EXPUNGE", b"* 2 EXPUNGE"], [b"* 2 EXPUNGE", b"* 3 EXPUNGE"], "/EXPUNGE/1"),
        ([b'* 1 FETCH (ENVELOPE ("a"))'], [b'* 1 FETCH (ENVELOPE ("A"))'], "/FETCH/1/ENVELOPE/0"),
        ([b"* VANISHED 1"], [b"* VANISHED (EARLIER) 1"], "/VANISHED"),
    ],
)
def test_what_means_something_else_is_a_difference(left, right, path):
    assert path in differ(left, right)


def test_a_dialogue_is_read_with_its_literals():
    dialogue = parse(
        "x",
        "rfc: 9051 section 6\nneeds: SORT esort\nmailboxes: INBOX=few A=empty\n"
        "A> APPEND INBOX {+}\nA| one\nA| two\nA& (x {}\nA~ three\nA& )\nA> NOOP\nA> NOOP\n",
    )

    append, first, second = dialogue.steps
    assert append.literals == [("one\r\ntwo\r\n", "(x {}"), ("three", ")")]
    assert (dialogue.needs, dialogue.mailboxes) == (["SORT", "ESORT"], {"INBOX": "few", "A": "empty"})
    assert (first.label, second.label, first.rfc) == ("A NOOP", "A NOOP #2", "9051 section 6")
    with pytest.raises(ValueError, match="line 1"):
        parse("x", "what is this")


def test_sections_follow_from_the_structure_with_one_too_many_of_each():
    text = b'("text" "plain" NIL NIL NIL "7bit" 1 1)'
    inner = b'("message" "rfc822" NIL NIL NIL "7bit" 1 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) (%b "mixed") 1)' % text
    answer = [read_response(b'* 1 FETCH (BODYSTRUCTURE (%b%b "mixed"))\r\n' % (text, inner))]

    assert section_numbers(answer) == ["1", "2", "2.1", "2.2", "3"]


def test_a_known_difference_that_is_gone_is_told_if_it_was_looked_for():
    known = [
        Known("a: A X: /FETCH/*", "r"),
        Known("b: A X: /Y", "r"),
        Known("*: /Z", "r"),
        Known("a: *", "r", real=True),
    ]
    found = [Difference("1", "a: A X: /FETCH/1", "x", "y")]

    assert vanished(known, [], {"a"}, whole=False) == known[:1]
    assert vanished(known, found, {"a", "b"}, whole=True) == known[1:3]


def pop3(command: str, first: bytes, lines: list[bytes] | None = None, known: dict[str, str] | None = None):
    return pop3_meaning_of(command, Answer(first, lines), {} if known is None else known)


@pytest.mark.parametrize(
    ("command", "first", "expected"),
    [
        ("RETR 1", b"+OK 3 octets", True),
        ("top 1 0", b"+OK", True),
        ("RETR 1", b"-ERR no", False),
        ("LIST", b"+OK 1 messages", True),
        ("LIST ", b"+OK 1 messages", True),
        ("UIDL 1", b"+OK 1 x", False),
        ("AUTH", b"+OK", True),
        ("AUTH PLAIN", b"+ ", False),
        ("STAT", b"+OK 1 2", False),
    ],
)
def test_a_pop3_answer_ends_where_its_command_says(command, first, expected):
    assert is_long(command, first) is expected


def test_what_a_pop3_server_is_free_to_choose_is_no_difference():
    assert pop3("QUIT", b"+OK Bye") == pop3("QUIT", b"+OK Logging out.")
    assert pop3("LIST 1", b"+OK 1 20") == pop3("LIST", b"+OK so many", [b"1 20"])
    assert pop3("UIDL", b"+OK", [b"1 a", b"2 b"]) == pop3("UIDL", b"+OK 2 messages", [b"1 17-1", b"2 17-2"])
    assert pop3("CAPA", b"+OK", [b"SASL A B", b"TOP"]) == pop3(
        "CAPA", b"+OK", [b"TOP", b"IMPLEMENTATION x", b"SASL B A"]
    )


def test_what_means_something_else_in_pop3_is_a_difference():
    assert pop3("STAT", b"+OK 1 20") != pop3("STAT", b"+OK 1 21")
    assert pop3("LIST", b"+OK", []) != pop3("LIST", b"+OK", [b"1 20"])
    assert pop3("RETR 1", b"+OK", [b"..a"]) != pop3("RETR 1", b"+OK", [b".a"])
    assert pop3("PASS x", b"-ERR [AUTH] no") != pop3("PASS x", b"-ERR no")
    assert pop3("UIDL", b"+OK", [b"1 a", b"2 a"])["ids"] == {"1": "the same", "2": "somebody else's"}
    assert pop3("UIDL 1", b"+OK 1 b", known={"1": "a"})["ids"] == {"1": "another"}
    assert pop3("UIDL 1", b"+OK 1 " + b"x" * 71)["ids"] == {"1": "none"}
