"""Searches and sorts whose results a client is kept up to date about (RFC 5267 section 4.3: RETURN (UPDATE)).

A view has at most MOST of them, with at most MOST_FOUND and MOST_SORTED results. Only messages that have changed since
the last look are searched again, and nothing is asked while the view stands still. What is expunged leaves a result
before the client is told so, while its number still means something; everything else is told after EXISTS.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import psycopg
from psycopg import Connection

from accessd.imap import response
from accessd.imap.grammar.search_key import needs_selection
from accessd.imap.grammar.sequence_set import format_numbers
from accessd.imap.grammar.tokens import BadSyntax
from accessd.imap.search_units import Question
from mailcore.errors import MailError
from mailcore.log import get_logger
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox import sorting
from mailcore.mailbox.search_keys import SearchKey
from mailcore.mailbox.sorting import Criterion, SortBy

if TYPE_CHECKING:
    from accessd.imap.selected import View
    from accessd.imap.session import ImapSession

log = get_logger(__name__)

MOST = 10
MOST_FOUND = 100_000
MOST_SORTED = 10_000
"""These are put in order again whenever one comes to them."""


@dataclass(frozen=True, slots=True)
class Context:
    """One of them: which command it was, and the UIDs of its results in the order that the client has them in."""

    tag: bytes
    key: SearchKey
    criteria: tuple[SortBy, ...] | None
    by_uid: bool
    found: array[int]

    def is_too_large(self) -> bool:
        """Has it more results than a client can be kept up to date about?"""
        return len(self.found) > (MOST_FOUND if self.criteria is None else MOST_SORTED)

    def response(self, *changes: bytes) -> bytes:
        """ESEARCH with ADDTO and REMOVEFROM."""
        uid = b" UID" if self.by_uid else b""
        return response.untagged(b"ESEARCH (TAG %b)%b %b" % (response.string(self.tag), uid, b" ".join(changes)))


class Contexts:
    """Those of a view; `modseq` is the view's when they were last looked at."""

    __slots__ = ("_of_tag", "modseq")

    def __init__(self, modseq: int) -> None:
        self._of_tag: dict[bytes, Context] = {}
        self.modseq = modseq

    def __contains__(self, tag: bytes) -> bool:
        return tag in self._of_tag

    def all(self) -> list[Context]:
        """Each of them."""
        return list(self._of_tag.values())

    @property
    def is_full(self) -> bool:
        """Is one more too many?"""
        return len(self._of_tag) >= MOST

    def put(self, context: Context) -> None:
        """A new one, or the same with other results."""
        self._of_tag[context.tag] = context

    def drop(self, tag: bytes) -> None:
        """No more about this one."""
        del self._of_tag[tag]

    def without(self, view: View, gone: Set[int]) -> list[bytes]:
        """These messages are about to go: the responses that take them out of the results."""
        told = []
        for context in self.all():
            if gone.isdisjoint(context.found):
                continue
            leaving = [uid for uid in context.found if uid in gone]
            told.append(context.response(_removals(context, view, leaving)))
            self.put(replace(context, found=array("I", [uid for uid in context.found if uid not in gone])))
        return told


def check(session: ImapSession) -> None:
    """Updates are told by the tag of the command, so it must not stand for another one. Raises BadSyntax."""
    contexts = session.selected.contexts
    if contexts is not None and session.tag in contexts:
        raise BadSyntax("This tag stands for another search")


def follow(
    session: ImapSession, key: SearchKey, criteria: tuple[SortBy, ...] | None, found: Sequence[int], *, by_uid: bool
) -> list[bytes]:
    """Keep the client up to date about the search of this command from now on, or say that this cannot be done."""
    view = session.selected
    context = Context(session.tag, key, criteria, by_uid, array("I", found))
    if needs_selection(key):
        return [refuse(context.tag, "Message numbers change their meaning")]
    if criteria is not None and any(each.criterion is Criterion.RELEVANCY for each in criteria):
        return [refuse(context.tag, "Relevancy changes with every message")]
    if context.is_too_large():
        return [refuse(context.tag, "Too many results")]
    if view.contexts is None:
        view.contexts = Contexts(view.modseq)
    if view.contexts.is_full:
        return [refuse(context.tag, "Too many contexts")]
    view.contexts.put(context)
    return []


def refuse(tag: bytes, reason: str) -> bytes:
    """`* NO [NOUPDATE "tag"]`: the results of this search will not be updated (RFC 5267 section 4.3)."""
    return response.status_line(b"*", "NO", reason, b"NOUPDATE " + response.string(tag))


async def updates(session: ImapSession) -> list[bytes]:
    """What has come to the results, and what has left them because it matches no more."""
    view = session.view
    if view is None or view.contexts is None or view.contexts.modseq == view.modseq:
        return []
    contexts, until = view.contexts, view.modseq
    known = contexts.all()
    asked = [(Question.ask(session, context.key), context) for context in known]
    try:
        changed = await session.context.offload(_search_again, view.record.id, contexts.modseq, asked)
    except (psycopg.Error, MailError, OSError) as error:
        # What else the client is to be told must not be lost for this; the next look asks again.
        log.warning("results_not_updated", error=str(error).strip())
        return []
    contexts.modseq = until
    told = []
    for before, after in zip(known, changed, strict=True):
        if after.is_too_large():
            contexts.drop(before.tag)
            told.append(refuse(before.tag, "Too many results"))
            continue
        if after.found != before.found:
            contexts.put(after)
            told.append(_difference(view, before, after))
    return told


def _search_again(
    conn: Connection, mailbox_id: int, modseq: int, asked: Sequence[tuple[Question, Context]]
) -> list[Context]:
    """The contexts with what is true by now of the messages that have changed."""
    rows = mailboxes.changes_since(conn, mailbox_id, modseq).changed
    return [_search_one_again(conn, question, context, {row.uid for row in rows}) for question, context in asked]


def _search_one_again(conn: Connection, question: Question, context: Context, changed: set[int]) -> Context:
    among = changed.intersection(question.uids)
    if not among:
        return context
    matching = set(question.find(conn, among))
    kept = [uid for uid in context.found if uid not in among or uid in matching]
    new = matching.difference(kept)
    if context.criteria is None:
        found = sorted([*kept, *new])
    elif new and len(kept) + len(new) <= MOST_SORTED:
        found = sorting.sort(
            conn, question.storage, question.owner, question.mailbox, context.criteria, sorted([*kept, *new])
        )
    else:
        found = [*kept, *new]
    return replace(context, found=array("I", found))


def _difference(view: View, before: Context, after: Context) -> bytes:
    now, then = set(after.found), set(before.found)
    changes = []
    if leaving := [uid for uid in before.found if uid not in now]:
        changes.append(_removals(before, view, leaving))
    if coming := [(place, uid) for place, uid in enumerate(after.found, 1) if uid not in then]:
        changes.append(b"ADDTO (%b)" % _places(after, view, coming))
    return after.response(*changes)


def _removals(context: Context, view: View, leaving: Sequence[int]) -> bytes:
    """Positions count after each removal, so the first ones are taken from the end."""
    if context.criteria is None:
        return b"REMOVEFROM (%b)" % _places(context, view, [(0, uid) for uid in leaving])
    gone = set(leaving)
    places = [(place, uid) for place, uid in enumerate(context.found, 1) if uid in gone]
    return b"REMOVEFROM (%b)" % _places(context, view, places[::-1])


def _places(context: Context, view: View, places: Sequence[tuple[int, int]]) -> bytes:
    """Positions and messages; a search has no positions, so all of its messages stand at 0."""
    numbers = [uid if context.by_uid else view.sequence_number(uid) for _, uid in places]
    if context.criteria is None:
        return b"0 " + format_numbers(sorted(numbers))
    return b" ".join(b"%d %d" % (place, number) for (place, _), number in zip(places, numbers, strict=True))
