"""SEARCH keys: text to the tree of mailcore.mailbox.search_keys (RFC 3501 section 6.4.4, RFC 5032, RFC
7162).

A line has room for thousands of keys, and each is work for every message: there may be MOST_KEYS, of them MOST_LOOK_UPS
that are not answered by what is in a message's row (RFC 5530: LIMIT).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

from accessd.imap.enabled import UTF8
from accessd.imap.grammar import charset
from accessd.imap.grammar.date import read_date
from accessd.imap.grammar.flags import MAX_KEYWORD_BYTES
from accessd.imap.grammar.sequence_set import read_sequence_set
from accessd.imap.grammar.tokens import MAX_UINT32, MAX_UINT63, BadSyntax, LimitReached, Scanner
from accessd.imap.object_id import email_number
from mailcore.mailbox.fuzzy import look_ups
from mailcore.mailbox.search_keys import (
    Age,
    All,
    And,
    Body,
    Comparison,
    DateField,
    DateKey,
    EmailId,
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

MAX_DEPTH = 50
MOST_KEYS = 500
MOST_LOOK_UPS = 100
"""Texts to look for, each word of a FUZZY one by itself, and dates and identifiers that are not in the row."""
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}")
_ENTRY = re.compile(rb'"/flags/(?:\\\\)?[^\x00-\x20\x7f-\xff(){%*"\\\]]+" (?:priv|shared|all) ', re.IGNORECASE)


@dataclass(slots=True)
class _Reader:
    """One SEARCH being read: where, in which charset, and how deep."""

    scanner: Scanner
    codec: str = "utf-8"
    depth: int = 0
    keys: int = 0
    texts: int = 0
    is_fuzzy: bool = False

    def text(self) -> str:
        self.scanner.space()
        value = charset.decode(self.scanner.astring(), self.codec)
        self.count_look_ups(look_ups(value) if self.is_fuzzy else 1)
        return value

    def count_key(self) -> None:
        self.keys += 1
        if self.keys > MOST_KEYS:
            raise LimitReached("Too many search keys")

    def count_look_ups(self, more: int = 1) -> None:
        self.texts += more
        if self.texts > MOST_LOOK_UPS:
            raise LimitReached("Too many texts to search for")


_CONSTANT: dict[str, SearchKey] = {
    "ALL": All(),
    "ANSWERED": FlagKey(ANSWERED),
    "DELETED": FlagKey(DELETED),
    "DRAFT": FlagKey(DRAFT),
    "FLAGGED": FlagKey(FLAGGED),
    "SEEN": FlagKey(SEEN),
    "UNANSWERED": FlagKey(ANSWERED, is_set=False),
    "UNDELETED": FlagKey(DELETED, is_set=False),
    "UNDRAFT": FlagKey(DRAFT, is_set=False),
    "UNFLAGGED": FlagKey(FLAGGED, is_set=False),
    "UNSEEN": FlagKey(SEEN, is_set=False),
    "RECENT": Recent(),
    "OLD": Recent(is_set=False),
    "NEW": And((Recent(), FlagKey(SEEN, is_set=False))),
    "SAVEDATESUPPORTED": All(),
}
_NOT_IN_REV2 = frozenset({"NEW", "OLD", "RECENT"})
_FIELDS = {"BCC": "Bcc", "CC": "Cc", "FROM": "From", "SUBJECT": "Subject", "TO": "To"}


def read_search(scanner: Scanner) -> SearchKey:
    """["CHARSET" SP astring SP] search-key *(SP search-key)."""
    reader = _Reader(scanner)
    if scanner.data[scanner.position : scanner.position + 8].upper() == b"CHARSET ":
        if scanner.modes & UTF8:
            raise BadSyntax("No CHARSET after ENABLE UTF8=ACCEPT")  # RFC 6855 section 3
        scanner.position += 8
        reader.codec = charset.codec_of(scanner.astring())
        scanner.space()
    return _read_all(reader)


def read_keys(scanner: Scanner, codec: str) -> SearchKey:
    """search-key *(SP search-key), with texts in the charset of `codec`."""
    return _read_all(_Reader(scanner, codec))


def _read_all(reader: _Reader) -> SearchKey:
    scanner = reader.scanner
    keys = [_read_key(reader)]
    while not scanner.at_end():
        scanner.space()
        keys.append(_read_key(reader))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def _read_key(reader: _Reader) -> SearchKey:
    scanner = reader.scanner
    reader.count_key()
    if scanner.next_is(b"("):
        return _deeper(reader, _read_list)
    if scanner.data[scanner.position : scanner.position + 1] in b"$*0123456789":
        return _set_key(scanner, SeqSet)
    name = scanner.keyword()
    if scanner.rev2 and name in _NOT_IN_REV2:
        raise BadSyntax("Not a search key of IMAP4rev2")
    constant = _CONSTANT.get(name)
    if constant is not None:
        return constant
    if name in _FIELDS:
        return Header(_FIELDS[name], reader.text())
    read = _WITH_ARGUMENTS.get(name)
    if read is None:
        raise BadSyntax("Unknown search key")
    return _deeper(reader, read)


def _deeper(reader: _Reader, read: Callable[[_Reader], SearchKey]) -> SearchKey:
    reader.depth += 1
    if reader.depth > MAX_DEPTH:
        raise BadSyntax("Search keys nested too deep")
    key = read(reader)
    reader.depth -= 1
    return key


def _read_list(reader: _Reader) -> SearchKey:
    keys = reader.scanner.parenthesised(lambda _scanner: _read_key(reader))
    return keys[0] if len(keys) == 1 else And(tuple(keys))


def _next_key(reader: _Reader) -> SearchKey:
    reader.scanner.space()
    return _read_key(reader)


def _fuzzy(reader: _Reader) -> SearchKey:
    before, reader.is_fuzzy = reader.is_fuzzy, True
    key = _next_key(reader)
    reader.is_fuzzy = before
    return Fuzzy(key)


def _header(reader: _Reader) -> SearchKey:
    reader.scanner.space()
    name = reader.scanner.astring()
    if not name or not name.isascii():
        raise BadSyntax("Invalid header field name")
    return Header(name.decode("ascii"), reader.text())


def _keyword(*, is_set: bool) -> Callable[[_Reader], SearchKey]:
    def read(reader: _Reader) -> SearchKey:
        reader.scanner.space()
        name = reader.scanner.atom()
        if len(name) > MAX_KEYWORD_BYTES:
            raise BadSyntax("Keyword too long")
        return Keyword(name.decode("ascii"), is_set=is_set)

    return read


def _date(field: DateField, comparison: Comparison) -> Callable[[_Reader], SearchKey]:
    def read(reader: _Reader) -> SearchKey:
        reader.scanner.space()
        if field is not DateField.INTERNAL:
            reader.count_look_ups()
        return DateKey(field, comparison, read_date(reader.scanner))

    return read


def _number(reader: _Reader, largest: int = MAX_UINT32) -> int:
    reader.scanner.space()
    return reader.scanner.number(largest)


def _age(*, is_younger: bool) -> Callable[[_Reader], SearchKey]:
    def read(reader: _Reader) -> SearchKey:
        reader.scanner.space()
        return Age(reader.scanner.nonzero(), is_younger)

    return read


def _object_id(reader: _Reader) -> str:
    reader.scanner.space()
    return reader.scanner.match(_OBJECT_ID, "an identifier").group().decode("ascii")


def _email_id(reader: _Reader) -> SearchKey:
    reader.count_look_ups()
    return EmailId(email_number(_object_id(reader)))


def _thread_id(reader: _Reader) -> SearchKey:
    """No message has one."""
    _object_id(reader)
    return Not(All())


def _uid(reader: _Reader) -> SearchKey:
    reader.scanner.space()
    return _set_key(reader.scanner, UidSet)


def _set_key(scanner: Scanner, kind: type[SeqSet | UidSet]) -> SearchKey:
    wanted = read_sequence_set(scanner)
    return Saved() if wanted.is_saved else kind(wanted.open_ended())


def _modseq(reader: _Reader) -> SearchKey:
    """MODSEQ, with the name of a metadata entry that RFC 7162 keeps from RFC 4551 and that changes nothing
    here.
    """
    if reader.scanner.next_is(b' "'):
        reader.scanner.space()
        reader.scanner.match(_ENTRY, "an entry name and type")
        return ModSeq(reader.scanner.number(MAX_UINT63))
    return ModSeq(_number(reader, MAX_UINT63))


_WITH_ARGUMENTS: dict[str, Callable[[_Reader], SearchKey]] = {
    "BODY": lambda reader: Body(reader.text()),
    "TEXT": lambda reader: Text(reader.text()),
    "HEADER": _header,
    "KEYWORD": _keyword(is_set=True),
    "UNKEYWORD": _keyword(is_set=False),
    "BEFORE": _date(DateField.INTERNAL, Comparison.BEFORE),
    "ON": _date(DateField.INTERNAL, Comparison.ON),
    "SINCE": _date(DateField.INTERNAL, Comparison.SINCE),
    "SAVEDBEFORE": _date(DateField.SAVED, Comparison.BEFORE),
    "SAVEDON": _date(DateField.SAVED, Comparison.ON),
    "SAVEDSINCE": _date(DateField.SAVED, Comparison.SINCE),
    "FUZZY": _fuzzy,
    "EMAILID": _email_id,
    "THREADID": _thread_id,
    "SENTBEFORE": _date(DateField.SENT, Comparison.BEFORE),
    "SENTON": _date(DateField.SENT, Comparison.ON),
    "SENTSINCE": _date(DateField.SENT, Comparison.SINCE),
    "LARGER": lambda reader: Size(_number(reader, MAX_UINT63), is_larger=True),
    "SMALLER": lambda reader: Size(_number(reader, MAX_UINT63), is_larger=False),
    "YOUNGER": _age(is_younger=True),
    "OLDER": _age(is_younger=False),
    "NOT": lambda reader: Not(_next_key(reader)),
    "OR": lambda reader: Or(_next_key(reader), _next_key(reader)),
    "UID": _uid,
    "MODSEQ": _modseq,
}


def uses_modseq(key: SearchKey) -> bool:
    """Does MODSEQ occur? Then the answer names the highest modseq found (RFC 7162 section 3.1.5)."""
    return _contains(key, ModSeq)


def names_numbers(key: SearchKey) -> bool:
    """Do message numbers occur? Then they must not change while the command runs."""
    return _contains(key, SeqSet)


def is_fuzzy(key: SearchKey) -> bool:
    """Does FUZZY occur? Only then there is RELEVANCY (RFC 6203 section 4)."""
    return _contains(key, Fuzzy)


def needs_selection(key: SearchKey) -> bool:
    """Do message sequence numbers or `$` occur? They mean nothing outside the selected mailbox."""
    return names_numbers(key) or _contains(key, Saved)


def _contains(key: SearchKey, kind: type) -> bool:
    match key:
        case And(keys):
            return any(_contains(inner, kind) for inner in keys)
        case Or(left, right):
            return _contains(left, kind) or _contains(right, kind)
        case Not(inner):
            return _contains(inner, kind)
        case Fuzzy(inner):
            return kind is Fuzzy or _contains(inner, kind)
        case _:
            return isinstance(key, kind)
