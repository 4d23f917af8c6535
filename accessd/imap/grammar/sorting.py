"""SORT and THREAD: values and arguments (RFC 5256 sections 2 and 3, RFC 5957, RFC 6203, RFC 5267 section 3)."""

from __future__ import annotations

from dataclasses import dataclass

from accessd.imap.command import Command
from accessd.imap.grammar import charset
from accessd.imap.grammar.command_args import ArgumentsParser
from accessd.imap.grammar.search_key import is_fuzzy, read_keys
from accessd.imap.grammar.search_return import Returns, read_returns
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.mailbox.search_keys import SearchKey
from mailcore.mailbox.sorting import Criterion, SortBy
from mailcore.mailbox.threading import Algorithm

_MOST_CRITERIA = 20
_CRITERIA = {each.value: each for each in Criterion}
_ALGORITHMS = {each.value: each for each in Algorithm}


@dataclass(frozen=True, slots=True)
class Sort(Command):
    """SORT; returns is None for the plain form."""

    criteria: tuple[SortBy, ...]
    key: SearchKey
    by_uid: bool = False
    returns: Returns | None = None


@dataclass(frozen=True, slots=True)
class Thread(Command):
    """THREAD."""

    algorithm: Algorithm
    key: SearchKey
    by_uid: bool = False


def sort(*, by_uid: bool) -> ArgumentsParser:
    """SORT [RETURN (options)] (criteria) charset keys."""

    def read(scanner: Scanner) -> Command:
        returns = read_returns(scanner)
        scanner.space()
        criteria = scanner.parenthesised(_criterion)
        if len(criteria) > _MOST_CRITERIA:
            raise BadSyntax("Too many sort criteria")
        key = _search_criteria(scanner)
        scored = (returns is not None and returns.tells_scores) or any(
            each.criterion is Criterion.RELEVANCY for each in criteria
        )
        if scored and not is_fuzzy(key):
            raise BadSyntax("RELEVANCY is of FUZZY searches")
        return Sort(tuple(criteria), key, by_uid, returns)

    return read


def _criterion(scanner: Scanner) -> SortBy:
    name, reverse = scanner.keyword(), False
    if name == "REVERSE":
        scanner.space()
        name, reverse = scanner.keyword(), True
    if name not in _CRITERIA:
        raise BadSyntax("Unknown sort criterion")
    return SortBy(_CRITERIA[name], reverse)


def thread(*, by_uid: bool) -> ArgumentsParser:
    """THREAD algorithm charset keys."""

    def read(scanner: Scanner) -> Command:
        scanner.space()
        name = scanner.keyword()
        if name not in _ALGORITHMS:
            raise BadSyntax("Unknown thread algorithm")
        return Thread(_ALGORITHMS[name], _search_criteria(scanner), by_uid)

    return read


def _search_criteria(scanner: Scanner) -> SearchKey:
    """charset 1*(SP search-key)."""
    scanner.space()
    codec = charset.codec_of(scanner.astring())
    scanner.space()
    return read_keys(scanner, codec)
