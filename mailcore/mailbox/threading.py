"""THREAD: messages as the trees of their answers (RFC 5256 section 3).

REFERENCES joins messages by the identifiers they refer to, then threads by their base subject; REFS is the same without
subjects, newest thread last (as Dovecot has it); ORDEREDSUBJECT knows subjects only. Nodes are numbers and what is
known of them stands in arrays: a mailbox may have some hundred thousand messages, and one thread may be as deep.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from enum import Enum
from typing import Any

import psycopg

from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.progress import Progress
from mailcore.mailbox.sort_rows import SortRows
from mailcore.mailbox.thread_links import NOBODY, Links
from mailcore.mailbox.thread_refs import read_refs
from mailcore.message.base_subject import BaseSubject, base_subject
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]


class Algorithm(Enum):
    """How threads are made."""

    ORDEREDSUBJECT = "ORDEREDSUBJECT"
    REFERENCES = "REFERENCES"
    REFS = "REFS"


class Forest:
    """Threads in their order. Nodes are numbers: below the number of messages the message of that position, from there
    on a place without one, whose answers stand beside each other.
    """

    def __init__(self, messages: int, places: int) -> None:
        self.messages = messages
        self.roots: Sequence[int] = ()
        self.first_child = array("i", [NOBODY]) * places
        self.next_sibling = array("i", [NOBODY]) * places

    def put_first(self, parent: int, child: int) -> None:
        """Give a node one more child, before the others."""
        self.next_sibling[child] = self.first_child[parent]
        self.first_child[parent] = child

    def children(self, node: int) -> list[int]:
        """The children of a node, in order."""
        found, child = [], self.first_child[node]
        while child != NOBODY:
            found.append(child)
            child = self.next_sibling[child]
        return found


def thread(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    algorithm: Algorithm,
    uids: Sequence[int],
    progress: Progress | None = None,
) -> Forest:
    """The threads of `uids`, which come in the order of the mailbox. Messages that others refer to and that are not
    among them are left out.
    """
    rows = SortRows(conn, storage, account, mailbox, progress)
    if algorithm is Algorithm.ORDEREDSUBJECT:
        return _by_subject(rows, uids)
    dates = array("q", (row.date for row in rows.read(uids)))
    links = Links(len(uids))
    for number, refs in enumerate(read_refs(conn, storage.store(account), mailbox.id, uids)):
        links.add(number, refs)
    if algorithm is Algorithm.REFS:
        return _Gathered(links, dates).forest(newest_last=True)
    gathered = _Gathered(links, dates)
    gathered.merge(rows, uids)
    return gathered.forest()


def _by_subject(rows: SortRows, uids: Sequence[int]) -> Forest:
    """ORDEREDSUBJECT: one level, the first message of a subject is the parent of the others."""
    dates = array("q")
    of_subject: dict[str, array[int]] = {}
    for number, row in enumerate(rows.read(uids, subject=True)):
        dates.append(row.date)
        of_subject.setdefault(base_subject(row.subject or "").text, array("i")).append(number)
    forest = Forest(len(uids), len(uids))
    roots = array("i")
    for numbers in of_subject.values():
        ordered = sorted(numbers, key=dates.__getitem__)
        roots.append(ordered[0])
        for number in reversed(ordered[1:]):
            forest.put_first(ordered[0], number)
    forest.roots = sorted(roots, key=lambda number: (dates[number], number))
    return forest


class _Gathered:
    """Steps 2 to 6: what is on the top level, and in which order. `parents` is for each node its parent's; a place
    without a message is only on the top.
    """

    def __init__(self, links: Links, dates: array[int]) -> None:
        self._messages = len(dates)
        self._dates = dates
        self._parents = links.without_empty_places()
        # The first message of an empty place, by which it is sorted.
        self._oldest = array("i", [NOBODY]) * (len(self._parents) - self._messages)
        for number in range(self._messages):
            self._note(self._parents[number], number)
        self._roots = [node for node in range(len(self._parents)) if self._is_root(node)]
        self._roots.sort(key=self._order)

    def _note(self, place: int, number: int) -> None:
        """A message is in an empty place."""
        if place >= self._messages:
            known = self._oldest[place - self._messages]
            if known == NOBODY or self._key(number) < self._key(known):
                self._oldest[place - self._messages] = number

    def _key(self, number: int) -> tuple[int, int]:
        return self._dates[number], number

    def _is_root(self, node: int) -> bool:
        return self._parents[node] == NOBODY and (
            node < self._messages or self._oldest[node - self._messages] != NOBODY
        )

    def _is_empty(self, node: int) -> bool:
        return node >= self._messages

    def _first(self, node: int) -> int:
        """The message that stands for a node of the top level."""
        return self._oldest[node - self._messages] if self._is_empty(node) else node

    def _order(self, node: int) -> tuple[int, int]:
        return self._key(self._first(node))

    def merge(self, rows: SortRows, uids: Sequence[int]) -> None:
        """Step 5: threads of the same base subject."""
        firsts = sorted(self._first(node) for node in self._roots)
        read = rows.read([uids[number] for number in firsts], subject=True)
        subjects = {
            number: base_subject(row.subject or "") for number, row in zip(firsts, read, strict=True) if row.subject
        }
        table: dict[str, int] = {}
        for node in self._roots:
            subject = subjects.get(self._first(node), _NO_SUBJECT)
            if not subject.text:
                continue
            known = table.get(subject.text)
            if known is None or (
                not self._is_empty(known)
                and (self._is_empty(node) or (subjects[known].is_reply and not subject.is_reply))
            ):
                table[subject.text] = node
        for node in list(self._roots):
            subject = subjects.get(self._first(node), _NO_SUBJECT)
            if subject.text and table[subject.text] != node:
                table[subject.text] = self._join(node, table[subject.text], subjects)
        self._roots = [node for node in range(len(self._parents)) if self._is_root(node)]

    def _join(self, node: int, known: int, subjects: dict[int, BaseSubject]) -> int:
        """One thread of two; returns what stands for its subject from now on."""
        if self._is_empty(known):
            # A message becomes one of its children; an empty place gives it its own.
            self._parents[node] = known
            self._note(known, self._first(node))
            return known
        if subjects[node].is_reply and not subjects[known].is_reply:
            self._parents[node] = known
            return known
        place = len(self._parents)
        self._parents.append(NOBODY)
        self._oldest.append(NOBODY)
        for each in (node, known):
            self._parents[each] = place
            self._note(place, each)
        return place

    def forest(self, *, newest_last: bool = False) -> Forest:
        """Step 6: everything in its place. `newest_last`: threads by their newest message instead of their first."""
        forest = Forest(self._messages, len(self._parents))
        # Each becomes the first of its siblings, so the last one comes first.
        for number in sorted(range(self._messages - 1, -1, -1), key=lambda each: -self._dates[each]):
            if (parent := self._place(self._parents[number])) != NOBODY:
                forest.put_first(parent, number)
        if newest_last:
            newest = self._newest()
            self._roots.sort(key=lambda node: (newest[node], self._first(node)))
        else:
            self._roots.sort(key=self._order)
        forest.roots = array("i", self._roots)
        return forest

    def _place(self, node: int) -> int:
        """Where the children of an empty place are by now."""
        while node >= self._messages and self._parents[node] != NOBODY:
            node = self._parents[node]
        return node

    def _newest(self) -> array[int]:
        """For each node of the top level the date of the newest message below it."""
        newest = array("q", [-(1 << 62)]) * len(self._parents)
        roots = _roots_of(self._parents)
        for number in range(self._messages):
            root = roots[number]
            newest[root] = max(newest[root], self._dates[number])
        return newest


_NO_SUBJECT = BaseSubject("", is_reply=False)


def _roots_of(parents: array[int]) -> array[int]:
    """For each node the one above it that has no parent."""
    roots = array("i", [NOBODY]) * len(parents)
    for start in range(len(parents)):
        path, node = [], start
        while roots[node] == NOBODY and parents[node] != NOBODY:
            path.append(node)
            node = parents[node]
        root = node if roots[node] == NOBODY else roots[node]
        roots[node] = root
        for each in path:
            roots[each] = root
    return roots
