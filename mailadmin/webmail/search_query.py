"""What a person types into the search field -> mailcore's search keys.

Words are looked for in subject and addresses, or in the whole text as well; "several words" in quotes stay together.
Operators: from: to: cc: subject: text: is:unread|read|flagged|answered|draft has:attachment before: after: on:
(dates as 2026-11-22) larger: smaller: (5 MB). A minus in front means not. What is no operator is a word.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from mailadmin.directory.quantities import parse_bytes
from mailcore.index.records import ANSWERED, DRAFT, FLAGGED, SEEN
from mailcore.mailbox.search_keys import (
    All,
    And,
    Comparison,
    DateField,
    DateKey,
    FlagKey,
    Header,
    Not,
    Or,
    SearchKey,
    Size,
    Text,
)

MAX_TERMS = 20
# -from:"Ann Example"  subject:plan  "two words"  word
_TERM = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|(\S+))')

_FLAGS = {
    "unread": FlagKey(SEEN, is_set=False),
    "read": FlagKey(SEEN),
    "flagged": FlagKey(FLAGGED),
    "answered": FlagKey(ANSWERED),
    "draft": FlagKey(DRAFT),
}


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """The key for mailcore's search, and what only the index knows: attachments (None: does not matter)."""

    key: SearchKey
    attachments: bool | None = None


def parse_query(text: str, *, everywhere: bool = False) -> SearchQuery:
    """Read the search field. Never raises: what makes no sense as an operator is searched as a word."""
    keys: list[SearchKey] = []
    attachments: bool | None = None
    for minus, operator, quoted, word in _TERM.findall(text)[:MAX_TERMS]:
        value = quoted or word
        if not value:
            continue
        if operator.lower() == "has" and value.lower() in {"attachment", "attachments"}:
            attachments = not minus
            continue
        key = _operator(operator.lower(), value) or _words(f"{operator}:{value}" if operator else value, everywhere)
        keys.append(Not(key) if minus else key)
    return SearchQuery(And(tuple(keys)) if keys else All(), attachments)


def _words(value: str, everywhere: bool) -> SearchKey:
    if everywhere:
        return Text(value)
    return Or(Header("Subject", value), Or(Header("From", value), Header("To", value)))


def _operator(name: str, value: str) -> SearchKey | None:
    make = _OPERATORS.get(name)
    if make is None:
        return None
    try:
        return make(value)
    except (ValueError, KeyError):
        return None


def _date(comparison: Comparison) -> Callable[[str], SearchKey]:
    return lambda value: DateKey(DateField.INTERNAL, comparison, date.fromisoformat(value))


_OPERATORS: dict[str, Callable[[str], SearchKey]] = {
    "from": lambda value: Header("From", value),
    "to": lambda value: Header("To", value),
    "cc": lambda value: Header("Cc", value),
    "subject": lambda value: Header("Subject", value),
    "text": Text,
    "is": lambda value: _FLAGS[value.lower()],
    "before": _date(Comparison.BEFORE),
    "after": _date(Comparison.SINCE),
    "on": _date(Comparison.ON),
    "larger": lambda value: Size(parse_bytes(value), is_larger=True),
    "smaller": lambda value: Size(parse_bytes(value), is_larger=False),
}
