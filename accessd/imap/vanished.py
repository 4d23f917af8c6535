"""Which messages a client still believes in that are gone (RFC 7162 section 3.2): VANISHED (EARLIER).

Promises that no removal is passed over that the client may not know of: where nobody remembers what was removed, every
UID that is not there is named; and that none is named that is in the view, for only a VANISHED without EARLIER takes it
from the client's numbers. Sets of UIDs are intervals here, so that a mailbox whose UIDs run into millions costs what
its messages cost. Sans-IO but for `earlier`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.command import Fetch
from accessd.imap.grammar.resync import KnownState
from mailcore.index.expunged import expunged_since
from mailcore.index.records import FlagRow

if TYPE_CHECKING:
    from accessd.imap.selected import View
    from accessd.imap.session import ImapSession

Intervals = Sequence[tuple[int, int]]


async def earlier(session: ImapSession, command: Fetch) -> bytes:
    """What UID FETCH (CHANGEDSINCE n VANISHED) says before anything else. What is gone but not told yet comes at the
    command's end, without EARLIER.
    """
    view = session.selected
    assert command.changed_since is not None
    expunged = await session.context.offload(expunged_since, view.record.id, command.changed_since)
    if expunged is None or any(map(view.has, expunged)):
        session.look_now()
    # `*` is the last UID there was, or the removal of the last messages would never be told.
    known = command.sequence_set.resolve(view.uidnext - 1)
    return vanished_earlier(view, known, expunged)


def vanished_earlier(view: View, known: Intervals, expunged: Sequence[int] | None) -> bytes:
    """The response, b"" if nothing of `known` is gone. `expunged` is None when nobody remembers."""
    known = _below(known, view.uidnext)
    if expunged is None:
        gone: Intervals = list(_missing(view.uids, known))
    else:
        gone = list(_runs(uid for uid in _among(expunged, known) if not view.has(uid)))
    if not gone:
        return b""
    return response.untagged(b"VANISHED (EARLIER) " + b",".join(map(_interval, gone)))


def resynchronised(
    view: View, state: KnownState, changed: Sequence[FlagRow], expunged: Sequence[int] | None
) -> list[bytes]:
    """The answer to SELECT (QRESYNC ...): what is gone, then what has other flags, of the UIDs the client knows."""
    known = state.uids.resolve(0) if state.uids is not None else [(1, view.uidnext - 1)]
    told = [vanished_earlier(view, _above(known, matching_up_to(view.uids, state)), expunged)]
    rows = {row.uid: row for row in changed}
    for uid in _among(list(rows), known):
        if view.has(uid):
            told.append(view.flags_response(rows[uid], with_uid=True, with_modseq=True))
    return told


def matching_up_to(uids: Sequence[int], state: KnownState) -> int:
    """The highest UID that has the number the client thinks it has: below it, nothing is gone that the client does not
    know of, for there are as many messages as it thinks (RFC 7162 section 3.2.5.2). 0 if there is none.
    """
    best = 0
    for first_number, first_uid, count in state.samples:
        last_number = min(first_number + count - 1, len(uids))
        apart = first_uid - first_number
        # The distance between a UID and its number never shrinks from one message to the next.
        numbers = range(first_number, last_number + 1)
        index = bisect_right(numbers, apart, key=lambda number: uids[number - 1] - number)
        if index and uids[numbers[index - 1] - 1] - numbers[index - 1] == apart:
            best = max(best, uids[numbers[index - 1] - 1])
    return best


def _interval(interval: tuple[int, int]) -> bytes:
    low, high = interval
    return b"%d" % low if low == high else b"%d:%d" % (low, high)


def _below(known: Intervals, uidnext: int) -> Intervals:
    return [(max(low, 1), min(high, uidnext - 1)) for low, high in known if low < uidnext and high]


def _above(known: Intervals, uid: int) -> Intervals:
    return [(max(low, uid + 1), high) for low, high in known if high > uid]


def _among(uids: Sequence[int], known: Intervals) -> Iterator[int]:
    """Those of `uids`, which are in order, that are in one of the intervals."""
    for low, high in known:
        yield from uids[bisect_left(uids, low) : bisect_right(uids, high)]


def _runs(uids: Iterable[int]) -> Iterator[tuple[int, int]]:
    """UIDs in order as intervals."""
    low = high = 0
    for uid in uids:
        if uid != high + 1 and low:
            yield low, high
        if uid != high + 1 or not low:
            low = uid
        high = uid
    if low:
        yield low, high


def _missing(present: Sequence[int], known: Intervals) -> Iterator[tuple[int, int]]:
    """What of the intervals is not `present`."""
    for low, high in known:
        for index in range(bisect_left(present, low), bisect_right(present, high)):
            if present[index] > low:
                yield low, present[index] - 1
            low = present[index] + 1
        if low <= high:
            yield low, high
