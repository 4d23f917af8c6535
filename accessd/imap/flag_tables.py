"""Flags of large mailboxes, kept by a process between commands: five octets a message.

`FETCH 1:* (FLAGS UID)` is what every client begins with. From the index that costs a row per message; from here it
costs the changes since the last time, which are asked for each time: nothing is answered from memory that has not just
been compared with the index. Tables that nobody asks for are dropped, first when there are too many messages in all.
"""

from __future__ import annotations

import threading
import time
from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable, Sequence

from psycopg import Connection

from accessd.imap.grammar.fetch_att import Field
from accessd.imap.grammar.flags import BITS_TEXT, format_flags
from mailcore.index.records import Changes, FlagRow
from mailcore.mailbox import mailbox as mailboxes

MOST_MESSAGES = 4_000_000
KEPT_S = 1800.0
HAS_KEYWORDS = 32
"""Beside the five bits of the system flags: look the keywords up."""


class FlagTable:
    """The flags of one mailbox as of `modseq`. Hold `lock` while using it."""

    __slots__ = ("_bits", "_keywords", "_uids", "last_used", "lock", "modseq")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.modseq = 0
        self.last_used = 0.0
        self._uids = array("I")
        self._bits = bytearray()
        self._keywords: dict[int, list[str]] = {}

    def __len__(self) -> int:
        return len(self._uids)

    def catch_up(self, conn: Connection, mailbox_id: int, known_modseq: int) -> None:
        """Bring the table up to date. `known_modseq` is one the mailbox has certainly reached."""
        if not self.modseq:
            # Rows may be newer than this modseq: then they come again with the next changes.
            self.load(mailboxes.rows(conn, mailbox_id), known_modseq)
        changes = mailboxes.changes_since(conn, mailbox_id, self.modseq)
        if changes.highestmodseq < self.modseq:
            # Not the mailbox it was: the index was rebuilt.
            self.load(mailboxes.rows(conn, mailbox_id), changes.highestmodseq)
        else:
            self.apply(changes)

    def load(self, rows: Sequence[FlagRow], modseq: int) -> None:
        """Begin anew."""
        self._uids = array("I", [row.uid for row in rows])
        self._bits = bytearray([_bits(row) for row in rows])
        self._keywords = {row.uid: row.keywords for row in rows if row.keywords}
        self.modseq = modseq

    def apply(self, changes: Changes) -> None:
        """Note what has changed."""
        for row in changes.changed:
            self._put(row)
        gone = [index for uid in changes.gone(self._uids) if (index := self._find(uid)) is not None]
        for index in sorted(gone, reverse=True):
            self._keywords.pop(self._uids[index], None)
            del self._uids[index], self._bits[index]
        self.modseq = changes.highestmodseq

    def _put(self, row: FlagRow) -> None:
        index = bisect_left(self._uids, row.uid)
        if index == len(self._uids) or self._uids[index] != row.uid:
            self._uids.insert(index, row.uid)
            self._bits.insert(index, 0)
        self._bits[index] = _bits(row)
        if row.keywords:
            self._keywords[row.uid] = row.keywords
        else:
            self._keywords.pop(row.uid, None)

    def _find(self, uid: int) -> int | None:
        index = bisect_left(self._uids, uid)
        return index if index < len(self._uids) and self._uids[index] == uid else None

    def responses(
        self,
        uids: Sequence[int],
        number_of: Callable[[int], int],
        fields: Sequence[Field],
        *,
        first_recent_uid: int,
    ) -> tuple[bytes, int]:
        """FETCH responses with UID and FLAGS in the order of `fields`, and how many of `uids` are gone."""
        start = bisect_left(self._uids, uids[0])
        end = start + len(uids)
        if self._uids[start:end] == uids:
            found, bits, gone = uids, self._bits[start:end], 0
        else:
            indexes = [index for uid in uids if (index := self._find(uid)) is not None]
            found, bits = [self._uids[index] for index in indexes], bytearray(self._bits[index] for index in indexes)
            gone = len(uids) - len(indexes)
        if not found:
            return b"", gone
        return self._write(found, bits, _numbers(found, number_of), fields, first_recent_uid), gone

    def _write(
        self,
        uids: Sequence[int],
        bits: bytearray,
        numbers: Sequence[int],
        fields: Sequence[Field],
        first_recent_uid: int,
    ) -> bytes:
        old = bisect_left(uids, first_recent_uid)
        lines = [_TEMPLATES[tuple(fields)](text) for text in _TEXTS]
        uid_comes = Field.UID in fields
        if uid_comes:
            parts = [
                lines[octet] % (number, uid) for number, uid, octet in zip(numbers, uids, bits[:old], strict=False)
            ]
        else:
            parts = [lines[octet] % number for number, octet in zip(numbers, bits[:old], strict=False)]
        write = _TEMPLATES[tuple(fields)]
        for index in self._special(uids, bits, old):
            text = self._text(uids[index], bits[index], recent=index >= old)
            line = write(text.replace(b"%", b"%%"))
            values = (numbers[index], uids[index]) if uid_comes else (numbers[index],)
            parts[index : index + 1] = [line % values]
        return b"".join(parts)

    def _special(self, uids: Sequence[int], bits: bytearray, old: int) -> list[int]:
        """Positions of messages with keywords, and of all that are \\Recent."""
        keyworded = [index for index in range(old) if bits[index] & HAS_KEYWORDS] if self._keywords else []
        return keyworded + list(range(old, len(uids)))

    def _text(self, uid: int, bits: int, *, recent: bool) -> bytes:
        return format_flags(bits & 31, self._keywords.get(uid, ()), recent=recent)


def _bits(row: FlagRow) -> int:
    return row.flags & 31 | (HAS_KEYWORDS if row.keywords else 0)


def _numbers(uids: Sequence[int], number_of: Callable[[int], int]) -> Sequence[int]:
    first = number_of(uids[0])
    if number_of(uids[-1]) - first + 1 == len(uids):
        return range(first, first + len(uids))
    return [number_of(uid) for uid in uids]


_TEXTS = (*BITS_TEXT, *BITS_TEXT)
_TEMPLATES: dict[tuple[Field, ...], Callable[[bytes], bytes]] = {
    (Field.FLAGS,): lambda flags: b"* %%d FETCH (FLAGS (%b))\r\n" % flags,
    (Field.UID, Field.FLAGS): lambda flags: b"* %%d FETCH (UID %%d FLAGS (%b))\r\n" % flags,
    (Field.FLAGS, Field.UID): lambda flags: b"* %%d FETCH (FLAGS (%b) UID %%d)\r\n" % flags,
}


def can_answer(fields: tuple[Field, ...]) -> bool:
    """Is this all that is asked for?"""
    return fields in _TEMPLATES


class FlagTables:
    """The tables of one process, least recently used first. Used from pool threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._tables: OrderedDict[tuple[int, int], FlagTable] = OrderedDict()

    def table(self, mailbox_id: int, uidvalidity: int) -> FlagTable:
        """The table of a mailbox, perhaps an empty one."""
        key, now = (mailbox_id, uidvalidity), time.monotonic()
        with self._lock:
            table = self._tables.get(key)
            if table is None or now - table.last_used > KEPT_S:
                table = self._tables[key] = FlagTable()
            table.last_used = now
            self._tables.move_to_end(key)
            self._drop_old(now)
            return table

    def _drop_old(self, now: float) -> None:
        messages = sum(map(len, self._tables.values())) if len(self._tables) > 100 else 0
        while len(self._tables) > 1:
            oldest = next(iter(self._tables.values()))
            if messages <= MOST_MESSAGES and now - oldest.last_used <= KEPT_S:
                return
            messages -= len(oldest)
            self._tables.popitem(last=False)
