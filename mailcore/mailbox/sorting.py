"""SORT: messages in the order of some criteria (RFC 5256 section 2.2, RFC 5957; RELEVANCY of RFC 6203).

Texts are compared by i;unicode-casemap. What is equal in all criteria stays in the order of the mailbox, also under
REVERSE. Works on columns: an array of numbers or a list of texts for each criterion, nothing else per message.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import psycopg

from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.mailbox.progress import Progress
from mailcore.mailbox.sort_rows import SortRow, SortRows, numbers
from mailcore.message.base_subject import base_subject
from mailcore.message.casemap import casemap
from mailcore.store.storage import Storage

Connection = psycopg.Connection[Any]
_FROM, _TO, _CC = 2, 5, 6


class Criterion(Enum):
    """What messages are sorted by: the words of the RFCs."""

    ARRIVAL = "ARRIVAL"
    CC = "CC"
    DATE = "DATE"
    FROM = "FROM"
    SIZE = "SIZE"
    SUBJECT = "SUBJECT"
    TO = "TO"
    DISPLAYFROM = "DISPLAYFROM"
    DISPLAYTO = "DISPLAYTO"
    RELEVANCY = "RELEVANCY"


@dataclass(frozen=True, slots=True)
class SortBy:
    """One criterion; `reverse` belongs to this one alone."""

    criterion: Criterion
    reverse: bool = False


_NUMBERS: dict[Criterion, Callable[[SortRow], int]] = {
    Criterion.ARRIVAL: lambda row: row.arrival,
    Criterion.DATE: lambda row: row.date,
    Criterion.SIZE: lambda row: row.size,
}
_TEXTS: dict[Criterion, Callable[[SortRow], str]] = {
    Criterion.SUBJECT: lambda row: base_subject(row.subject or "").text,
    Criterion.FROM: lambda row: casemap(row.mailbox(_FROM)),
    Criterion.TO: lambda row: casemap(row.mailbox(_TO)),
    Criterion.CC: lambda row: casemap(row.mailbox(_CC)),
    Criterion.DISPLAYFROM: lambda row: casemap(row.display(_FROM)),
    Criterion.DISPLAYTO: lambda row: casemap(row.display(_TO)),
}
_CHEAP = frozenset({Criterion.ARRIVAL, Criterion.SIZE, Criterion.RELEVANCY})


def sort(
    conn: Connection,
    storage: Storage,
    account: AccountRef,
    mailbox: MailboxRecord,
    criteria: Sequence[SortBy],
    uids: Sequence[int],
    scores: Mapping[int, int] | None = None,
    progress: Progress | None = None,
) -> list[int]:
    """`uids`, which come in the order of the mailbox, sorted; the first criterion counts most. RELEVANCY sorts by
    `scores`, the most relevant first.
    """
    wanted = {each.criterion for each in criteria}
    rows = SortRows(conn, storage, account, mailbox, progress)
    if wanted == {Criterion.RELEVANCY}:
        columns: dict[Criterion, Sequence[Any]] = {}
    elif wanted <= _CHEAP:
        columns = _columns(rows.read_cheap(uids), wanted)
    else:
        texts = wanted & _TEXTS.keys()
        columns = _columns(
            rows.read(uids, subject=Criterion.SUBJECT in texts, envelope=bool(texts - {Criterion.SUBJECT})), wanted
        )
    if Criterion.RELEVANCY in wanted:
        known = scores or {}
        columns[Criterion.RELEVANCY] = numbers(-known.get(uid, 0) for uid in uids)
    order = list(range(len(uids)))
    for each in reversed(criteria):
        order.sort(key=columns[each.criterion].__getitem__, reverse=each.reverse)
    return [uids[index] for index in order]


def _columns(rows: Any, wanted: set[Criterion]) -> dict[Criterion, Sequence[Any]]:
    number_of = [(numbers(iter(())), _NUMBERS[each], each) for each in wanted & _NUMBERS.keys()]
    text_of: list[tuple[list[str], Callable[[SortRow], str], Criterion]] = [
        ([], _TEXTS[each], each) for each in wanted & _TEXTS.keys()
    ]
    for row in rows:
        for column, value, _ in number_of:
            column.append(value(row))
        for texts, text, _ in text_of:
            texts.append(text(row))
    return {each: column for column, _, each in number_of} | {each: texts for texts, _, each in text_of}
