"""SEARCH keys (RFC 3501 section 6.4.4)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accessd.imap.commands import COMMANDS
from accessd.imap.enabled import REV2, UTF8
from accessd.imap.grammar.charset import BadCharset
from accessd.imap.grammar.search_key import (
    MOST_KEYS,
    MOST_LOOK_UPS,
    is_fuzzy,
    names_numbers,
    needs_selection,
    read_search,
    uses_modseq,
)
from accessd.imap.grammar.tokens import BadSyntax, LimitReached, Scanner
from mailcore.mailbox.search_keys import (
    Age,
    All,
    And,
    Body,
    Comparison,
    DateField,
    DateKey,
    FlagKey,
    Fuzzy,
    Header,
    Keyword,
    ModSeq,
    Not,
    Or,
    Recent,
    Saved,
    SearchKey,
    SeqSet,
    Size,
    Text,
    UidSet,
)
from mailcore.message.flags import ANSWERED, DELETED, DRAFT, FLAGGED, SEEN


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"ALL", All()),
        (b"ANSWERED", FlagKey(ANSWERED)),
        (b'BCC "x"', Header("Bcc", "x")),
        (b"BEFORE 1-Feb-1994", DateKey(DateField.INTERNAL, Comparison.BEFORE, date(1994, 2, 1))),
        (b"BODY word", Body("word")),
        (b"CC x", Header("Cc", "x")),
        (b"DELETED", FlagKey(DELETED)),
        (b"DRAFT", FlagKey(DRAFT)),
        (b"FLAGGED", FlagKey(FLAGGED)),
        (b"FROM x", Header("From", "x")),
        (b'HEADER Message-Id ""', Header("Message-Id", "")),
        (b"KEYWORD $Junk", Keyword("$Junk")),
        (b"LARGER 10", Size(10, is_larger=True)),
        (b"NEW", And((Recent(), FlagKey(SEEN, is_set=False)))),
        (b"NOT SEEN", Not(FlagKey(SEEN))),
        (b"OLD", Recent(is_set=False)),
        (b"ON 1-Feb-1994", DateKey(DateField.INTERNAL, Comparison.ON, date(1994, 2, 1))),
        (b"OR SEEN (DRAFT ALL)", Or(FlagKey(SEEN), And((FlagKey(DRAFT), All())))),
        (b"RECENT", Recent()),
        (b"SEEN", FlagKey(SEEN)),
        (b"SENTBEFORE 1-Feb-1994", DateKey(DateField.SENT, Comparison.BEFORE, date(1994, 2, 1))),
        (b"SENTON 1-Feb-1994", DateKey(DateField.SENT, Comparison.ON, date(1994, 2, 1))),
        (b"SENTSINCE 1-Feb-1994", DateKey(DateField.SENT, Comparison.SINCE, date(1994, 2, 1))),
        (b"SINCE 1-Feb-1994", DateKey(DateField.INTERNAL, Comparison.SINCE, date(1994, 2, 1))),
        (b"SMALLER 10", Size(10, is_larger=False)),
        (b'SUBJECT {4}\r\na " ', Header("Subject", 'a " ')),
        (b"TEXT x", Text("x")),
        (b"TO x", Header("To", "x")),
        (b"UID 1:5,*", UidSet(((1, 5), (None, None)))),
        (b"UNANSWERED", FlagKey(ANSWERED, is_set=False)),
        (b"UNDELETED", FlagKey(DELETED, is_set=False)),
        (b"UNDRAFT", FlagKey(DRAFT, is_set=False)),
        (b"UNFLAGGED", FlagKey(FLAGGED, is_set=False)),
        (b"UNKEYWORD a", Keyword("a", is_set=False)),
        (b"UNSEEN", FlagKey(SEEN, is_set=False)),
        (b"2,4:*", SeqSet(((2, 2), (4, None)))),
        (b"*", SeqSet(((None, None),))),
        (b"YOUNGER 60", Age(60, is_younger=True)),
        (b"OLDER 60", Age(60, is_younger=False)),
        (b"MODSEQ 620162338", ModSeq(620162338)),
        (rb'MODSEQ "/flags/\\draft" all 7', ModSeq(7)),
        (
            b"flagged since 1-Feb-1994 NOT FROM Smith",
            And(
                (
                    FlagKey(FLAGGED),
                    DateKey(DateField.INTERNAL, Comparison.SINCE, date(1994, 2, 1)),
                    Not(Header("From", "Smith")),
                )
            ),
        ),
        (b"CHARSET UTF-8 TEXT {11}\r\n" + "мама м".encode(), Text("мама м")),
        (b"CHARSET ISO-8859-1 SUBJECT {1}\r\n\xe4", Header("Subject", "ä")),
        (b"CHARSET KOI8-R SUBJECT {2}\r\n\xc4\xc1", Header("Subject", "да")),
    ],
)
def test_every_key(text: bytes, key: SearchKey) -> None:
    scanner = Scanner(text)

    assert read_search(scanner) == key
    assert scanner.at_end()


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"FOO",
        b"NOT",
        b"OR SEEN",
        b"(SEEN",
        b"()",
        b"BEFORE yesterday",
        b"SEEN  DRAFT",
        b"HEADER x",
        b"LARGER -1",
        b"(" * 100 + b"ALL" + b")" * 100,
    ],
)
def test_what_is_no_key_is_refused(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_search(Scanner(text))


def test_an_unknown_charset_is_answered_no() -> None:
    with pytest.raises(BadCharset) as caught:
        read_search(Scanner(b"CHARSET X-KLINGON TEXT x"))

    assert caught.value.status == "NO"
    assert caught.value.code.startswith(b"BADCHARSET (US-ASCII UTF-8")


def test_modseq_is_found_at_any_depth() -> None:
    assert uses_modseq(read_search(Scanner(b"OR SEEN (NOT MODSEQ 5)")))
    assert not uses_modseq(read_search(Scanner(b"OR SEEN (NOT DRAFT)")))


def test_with_utf8_accept_there_is_no_charset_and_with_rev2_there_is() -> None:
    """RFC 6855 section 3; RFC 9051 section 6.4.4."""
    text = b"CHARSET UTF-8 SUBJECT x"

    assert read_search(Scanner(text, modes=REV2)) == Header("Subject", "x")
    with pytest.raises(BadSyntax):
        read_search(Scanner(text, modes=UTF8))
    with pytest.raises(BadSyntax):
        read_search(Scanner(text, modes=UTF8 | REV2))


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b"$", Saved()),
        (b"UID $", Saved()),
        (b"NOT $", Not(Saved())),
        (b"FUZZY SUBJECT x", Fuzzy(Header("Subject", "x"))),
        (b"FUZZY (TEXT x SEEN)", Fuzzy(And((Text("x"), FlagKey(SEEN))))),
        (b"FUZZY TEXT x SEEN", And((Fuzzy(Text("x")), FlagKey(SEEN)))),
    ],
)
def test_keys_of_later_rfcs(text: bytes, key: SearchKey) -> None:
    assert read_search(Scanner(text)) == key


@pytest.mark.parametrize(
    "text", [b"$,1", b"1,$", b"$:*", b"UID 1:$", b"FUZZY", b"FUZZY ", b"$$", b"FUZZY " * 60 + b"ALL"]
)
def test_what_is_no_key_of_later_rfcs(text: bytes) -> None:
    with pytest.raises(BadSyntax):
        read_search(Scanner(text))


@pytest.mark.parametrize(
    ("text", "fuzzy", "numbers", "selection"),
    [
        (b"OR SEEN NOT FUZZY TEXT x", True, False, False),
        (b"FUZZY (1:2 SEEN)", True, True, True),
        (b"(SEEN NOT $)", False, False, True),
        (b"UID 1:*", False, False, False),
    ],
)
def test_what_occurs_in_a_key(text: bytes, fuzzy: bool, numbers: bool, selection: bool) -> None:
    key = read_search(Scanner(text))

    assert (is_fuzzy(key), names_numbers(key), needs_selection(key)) == (fuzzy, numbers, selection)


@pytest.mark.parametrize(
    "arguments",
    [
        b"SORT (SUBJECT) UTF-8 ALL",
        b"SORT RETURN (MIN) (REVERSE DATE) US-ASCII TEXT x",
        b"THREAD REFS UTF-8 ALL",
        b'ESEARCH IN (subtree (a "b c") selected) RETURN () ALL',
        b'CANCELUPDATE "a" "b"',
    ],
)
@given(data=st.data())
def test_arguments_with_an_octet_wrong_are_bad_or_something_else(arguments: bytes, data: st.DataObject) -> None:
    name, _, rest = arguments.partition(b" ")
    place = data.draw(st.integers(0, len(rest)))
    cut = data.draw(st.integers(0, 2))
    changed = b" " + rest[:place] + data.draw(st.binary(max_size=2)) + rest[place + cut :]

    try:
        scanner = Scanner(changed)
        COMMANDS[name.decode()].arguments(scanner)
        scanner.end()
    except BadSyntax:
        pass


@pytest.mark.parametrize(
    ("key", "most"),
    [
        (b"SEEN", MOST_KEYS),
        (b"1:*", MOST_KEYS),
        (b"TEXT x", MOST_LOOK_UPS),
        (b"NOT BODY x", MOST_LOOK_UPS),
        (b"OR HEADER X-A x SUBJECT x", MOST_LOOK_UPS // 2),
        (b"(FROM x (TO x) CC x BCC x)", MOST_LOOK_UPS // 4),
        (b"SENTSINCE 1-Feb-1994", MOST_LOOK_UPS),
        (b"SAVEDON 1-Feb-1994", MOST_LOOK_UPS),
        (b"EMAILID M1", MOST_LOOK_UPS),
        # Whole, and by the beginning of each word.
        (b"FUZZY TEXT x", MOST_LOOK_UPS // 2),
        (b'FUZZY (SEEN OR BODY "a b" TEXT c)', MOST_LOOK_UPS // 6),
    ],
)
@pytest.mark.parametrize("command", [b"SEARCH", b"UID SORT (DATE) UTF-8", b"THREAD REFS UTF-8", b"ESEARCH"])
def test_the_work_of_a_search_is_bounded(key: bytes, most: int, command: bytes) -> None:
    """A line has room for thousands of keys, and each is looked for in every message."""
    name = next(name for name in (b"UID SORT", b"SEARCH", b"THREAD", b"ESEARCH") if command.startswith(name))
    parse, before = COMMANDS[name.decode()].arguments, command[len(name) :] + b" "

    parse(Scanner(before + b" ".join([key] * most)))
    with pytest.raises(LimitReached):
        parse(Scanner(before + b" ".join([key] * (most + 1))))


def test_what_follows_a_fuzzy_key_counts_once() -> None:
    read_search(Scanner(b"FUZZY TEXT x" + b" TEXT x" * (MOST_LOOK_UPS - 2)))
