"""Which sequence number is which UID, as one client counts (RFC 3501 section 2.3.1). UIDs are four octets a message.

Nothing here changes the numbers: that is done when the client is told (accessd.imap.selected).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from accessd.imap.grammar.sequence_set import SequenceSet
from accessd.imap.grammar.tokens import BadSyntax

NO_RECENT = 2**32
"""As first_recent_uid: no message is \\Recent, whatever comes."""


class Numbers:
    """The messages of a selected mailbox, in order."""

    __slots__ = ("_saved", "_uids", "first_recent_uid", "uidnext")

    def __init__(self, uids: Sequence[int], uidnext: int, first_recent_uid: int) -> None:
        self._uids = array("I", uids)
        self.uidnext = uidnext
        self.first_recent_uid = first_recent_uid
        self._saved: Sequence[int] = ()

    def __len__(self) -> int:
        return len(self._uids)

    @property
    def uids(self) -> Sequence[int]:
        """All UIDs, in order."""
        return self._uids

    @property
    def recent(self) -> int:
        """How many messages are \\Recent in this session."""
        return len(self._uids) - bisect_left(self._uids, self.first_recent_uid)

    def hide_recent(self) -> None:
        """For who has enabled IMAP4rev2, which knows neither RECENT nor \\Recent."""
        self.first_recent_uid = NO_RECENT

    @property
    def hides_recent(self) -> bool:
        """Is that so?"""
        return self.first_recent_uid == NO_RECENT

    def sequence_number(self, uid: int) -> int:
        """The number of a message that is in the view."""
        return bisect_left(self._uids, uid) + 1

    def has(self, uid: int) -> bool:
        """Is the message in the view?"""
        index = bisect_left(self._uids, uid)
        return index < len(self._uids) and self._uids[index] == uid

    def select(self, wanted: SequenceSet, *, by_uid: bool) -> Sequence[int]:
        """The UIDs that a set names, in order. UIDs that do not exist are left out (RFC 3501 section 6.4.8);
        sequence numbers that do not exist are an error.
        """
        if wanted.is_saved:
            return self.saved
        if by_uid:
            return self._by_uid(wanted)
        count = len(self._uids)
        intervals = wanted.resolve(count)
        if not count or intervals[-1][1] > count:
            raise BadSyntax("No such message")
        if len(intervals) == 1:
            return self._uids[intervals[0][0] - 1 : intervals[0][1]]
        chosen = array("I")
        for low, high in intervals:
            chosen += self._uids[low - 1 : high]
        return chosen

    def _by_uid(self, wanted: SequenceSet) -> Sequence[int]:
        chosen = array("I")
        largest = self._uids[-1] if self._uids else self.uidnext
        for low, high in wanted.resolve(largest):
            chosen += self._uids[bisect_left(self._uids, low) : bisect_right(self._uids, high)]
        return chosen

    @property
    def saved(self) -> Sequence[int]:
        """The UIDs that `$` stands for, in order: what a search saved, without what has gone since (RFC 5182)."""
        return array("I", filter(self.has, self._saved))

    def save(self, uids: Sequence[int]) -> None:
        """From now on `$` stands for these UIDs, which are in order."""
        self._saved = array("I", uids)
