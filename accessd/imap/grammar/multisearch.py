"""ESEARCH: SEARCH in several mailboxes at once (RFC 7377; the ways to name them are those of RFC 5465 section 6)."""

from __future__ import annotations

from dataclasses import dataclass

from accessd.imap.command import Command
from accessd.imap.grammar.mailbox_name import read_mailbox
from accessd.imap.grammar.search_key import is_fuzzy, needs_selection, read_search
from accessd.imap.grammar.search_return import Returns, read_returns
from accessd.imap.grammar.tokens import BadSyntax, Scanner
from mailcore.mailbox.search_keys import SearchKey

_WITHOUT_NAMES = frozenset({"SELECTED", "INBOXES", "PERSONAL", "SUBSCRIBED"})
_WITH_NAMES = frozenset({"SUBTREE", "SUBTREE-ONE", "MAILBOXES"})


@dataclass(frozen=True, slots=True)
class Source:
    """Mailboxes to search: `kind` is the RFC's word in capitals."""

    kind: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MultiSearch(Command):
    """ESEARCH."""

    sources: tuple[Source, ...]
    key: SearchKey
    returns: Returns

    @property
    def only_selected(self) -> bool:
        """Is it a search of the selected mailbox and nothing else?"""
        return all(source.kind == "SELECTED" for source in self.sources)


def multi_search(scanner: Scanner) -> Command:
    """ESEARCH [IN (sources)] [RETURN (options)] keys."""
    sources = [Source("SELECTED")]
    if scanner.data[scanner.position : scanner.position + 4].upper() == b" IN ":
        scanner.position += 4
        sources = scanner.parenthesised(_source)
    returns = read_returns(scanner) or Returns()
    scanner.space()
    command = MultiSearch(tuple(sources), read_search(scanner), returns)
    if not command.only_selected and needs_selection(command.key):
        raise BadSyntax("Message numbers are those of the selected mailbox")
    if not command.only_selected and returns.saves:
        raise BadSyntax("Only results of the selected mailbox can be saved")
    if returns.tells_scores and not is_fuzzy(command.key):
        raise BadSyntax("RELEVANCY is of FUZZY searches")
    if returns.updates:
        raise BadSyntax("Only results of SEARCH and SORT are kept up to date")
    return command


def _source(scanner: Scanner) -> Source:
    kind = scanner.keyword()
    if kind in _WITHOUT_NAMES:
        return Source(kind)
    if kind not in _WITH_NAMES:
        raise BadSyntax("Unknown source of a search")
    scanner.space()
    names = scanner.parenthesised(read_mailbox) if scanner.next_is(b"(") else [read_mailbox(scanner)]
    return Source(kind, tuple(names))
