"""The units of work behind SEARCH, SORT and THREAD: what a session asks of its selected mailbox."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from psycopg import Connection

from accessd.imap.enabled import CONDSTORE
from accessd.imap.grammar.search_key import names_numbers, uses_modseq
from accessd.imap.grammar.search_return import Returns
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox import mailbox as mailboxes
from mailcore.mailbox import sorting, threading
from mailcore.mailbox.progress import Progress
from mailcore.mailbox.search import search_scored
from mailcore.mailbox.search_keys import SearchKey
from mailcore.mailbox.sorting import SortBy
from mailcore.mailbox.threading import Algorithm, Forest
from mailcore.store.storage import Storage

if TYPE_CHECKING:
    from accessd.imap.session import ImapSession

FULL_SCORE = 100
"""Of what matches exactly."""


@dataclass(frozen=True, slots=True)
class Question:
    """A search of the selected mailbox as the client sees it now; `saved` is what `$` stands for."""

    storage: Storage
    owner: AccountRef
    mailbox: MailboxRecord
    key: SearchKey
    uids: Sequence[int]
    first_recent_uid: int
    saved: Sequence[int]
    with_modseq: bool
    progress: Progress | None = None

    @classmethod
    def ask(cls, session: ImapSession, key: SearchKey, progress: Progress | None = None) -> Question:
        """What a command of this session asks. A question about MODSEQ enables CONDSTORE (RFC 7162 section 3.1)."""
        view = session.selected
        with_modseq = uses_modseq(key)
        if with_modseq:
            session.enable(CONDSTORE)
        if names_numbers(key):
            # Also in UID SEARCH (RFC 7162 section 3.2.10.2).
            view.keep_numbers()
        return cls(
            session.storage,
            view.owner,
            view.record,
            key,
            view.uids,
            view.first_recent_uid,
            view.saved,
            with_modseq,
            progress,
        )

    def find(self, conn: Connection, among: Set[int] | None = None) -> list[int]:
        """The UIDs found, in order: of all messages, or of those `among`."""
        return self.find_scored(conn, among)[0]

    def find_scored(self, conn: Connection, among: Set[int] | None = None) -> tuple[list[int], dict[int, int]]:
        """The same, and how well those match that FUZZY keys have found."""
        return search_scored(
            conn,
            self.storage,
            self.owner,
            self.mailbox,
            self.key,
            self.uids,
            self.first_recent_uid,
            self.saved,
            among,
            self.progress,
        )


class Found(NamedTuple):
    """UIDs in their order, how well each matches, and the highest MODSEQ of those told, 0 if nobody asked."""

    uids: list[int]
    scores: list[int]
    modseq: int


def find(conn: Connection, question: Question, returns: Returns | None) -> Found:
    """SEARCH."""
    found, scores = question.find_scored(conn)
    return Found(found, _in_order(scores, found), _highest_modseq(conn, question, found, returns))


def find_sorted(conn: Connection, question: Question, criteria: Sequence[SortBy], returns: Returns | None) -> Found:
    """SORT: the same in the order of the criteria."""
    found, scores = question.find_scored(conn)
    ordered = sorting.sort(
        conn, question.storage, question.owner, question.mailbox, criteria, found, scores, question.progress
    )
    return Found(ordered, _in_order(scores, ordered), _highest_modseq(conn, question, ordered, returns))


def _in_order(scores: dict[int, int], found: Sequence[int]) -> list[int]:
    return [scores.get(uid, FULL_SCORE) for uid in found] if scores else [FULL_SCORE] * len(found)


def _highest_modseq(conn: Connection, question: Question, found: list[int], returns: Returns | None) -> int:
    told = found if returns is None else returns.of(found)
    if not question.with_modseq or not told:
        return 0
    return max((row.modseq for row in mailboxes.rows(conn, question.mailbox.id, told)), default=0)


def find_threads(conn: Connection, question: Question, algorithm: Algorithm) -> tuple[list[int], Forest]:
    """THREAD: the UIDs found, and how they hang together."""
    found = question.find(conn)
    return found, threading.thread(
        conn, question.storage, question.owner, question.mailbox, algorithm, found, question.progress
    )
