"""A selected mailbox as one client sees it, and what the client has still to be told of it.

A client's numbers change only when it is told so, and EXPUNGE may not be told inside FETCH, STORE and SEARCH
(RFC 3501 section 7.4.1). So changes are collected with `take` and written with `flush`; between the two the numbers
(accessd.imap.numbers) stand still. Sans-IO.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING

from accessd.imap import response
from accessd.imap.grammar.flags import format_flags
from accessd.imap.grammar.sequence_set import format_numbers
from accessd.imap.numbers import Numbers
from mailcore.errors import NotPermitted
from mailcore.identity import AccountRef
from mailcore.index.records import CachedRow, Changes, FlagRow, MailboxRecord, OpenMailbox
from mailcore.sharing.rights import ALL, CHANGES_MESSAGES, WRITE, settable_bits

MOST_KNOWN = 10_000
"""Flags of so many messages are not told again."""

if TYPE_CHECKING:
    from accessd.imap.search_context import Contexts


class View(Numbers):
    """What SELECT showed, kept up to date."""

    __slots__ = (
        "_examined",
        "_expunged",
        "_flags",
        "_held_modseq",
        "_keeps_numbers",
        "_known",
        "_owes_modseq",
        "_told",
        "_told_modseq",
        "contexts",
        "keywords",
        "modseq",
        "owner",
        "read_only",
        "record",
        "rights",
    )

    def __init__(self, opened: OpenMailbox, *, owner: AccountRef, rights: str = ALL, read_only: bool) -> None:
        super().__init__(opened.uids, opened.record.uidnext, opened.first_recent_uid)
        self.record: MailboxRecord = opened.record
        self.owner = owner
        self.rights = rights
        """What the reader may do here: letters of RFC 4314."""
        self._examined = read_only
        self.read_only = read_only or not set(CHANGES_MESSAGES) & set(rights)
        self.modseq = opened.record.highestmodseq
        # Frozen: the empty ones of thousands of idle sessions are one object.
        self.keywords = frozenset(opened.keywords)
        self._told = len(self._uids)
        self._expunged: frozenset[int] = frozenset()
        self._flags: dict[int, FlagRow] = {}
        self.contexts: Contexts | None = None
        """Searches that the client is kept up to date about."""
        self._held_modseq = 0
        self._told_modseq = 0
        self._owes_modseq = False
        self._keeps_numbers = False
        # UID -> modseq of flags the client was shown in answer to its own STORE, beyond what it knows all of.
        self._known: dict[int, int] | None = None

    def require(self, *needed: str) -> None:
        """Raises NotPermitted if the reader lacks one of these rights here."""
        for right in needed:
            if right not in self.rights:
                raise NotPermitted(f"{self.owner.address}/{self.record.name} needs {right}")

    def take_rights(self, rights: str) -> list[bytes]:
        """What the reader may do from now on; tells which flags, if that is news."""
        if rights == self.rights:
            return []
        self.rights = rights
        self.read_only = self._examined or not set(CHANGES_MESSAGES) & set(rights)
        return [self.permanent_flags_line()]

    # Changes.

    def take(self, changes: Changes) -> None:
        """Note what has happened since `modseq`."""
        last = self._uids[-1] if self._uids else 0
        new = []
        for row in changes.changed:
            if row.uid > last and row.uid >= self.uidnext:
                new.append(row.uid)
            elif self.has(row.uid) and not self._is_known(row):
                self._hold()
                self._flags[row.uid] = row
        self.take_expunged(changes.gone(self._uids))
        self._uids.extend(sorted(new))
        if changes.record is not None:
            self.record = changes.record
        self.modseq = max(self.modseq, changes.highestmodseq)
        self.uidnext = max(self.uidnext, changes.uidnext)
        if self._known is not None:
            self._known = {uid: modseq for uid, modseq in self._known.items() if modseq > self.modseq} or None

    def _is_known(self, row: FlagRow) -> bool:
        return self._known is not None and self._known.get(row.uid) == row.modseq

    def take_expunged(self, uids: Iterable[int]) -> None:
        """Note that these are gone."""
        gone = [uid for uid in uids if self.has(uid)]
        if gone:
            self._hold()
        self._expunged = self._expunged.union(gone)

    def _hold(self) -> None:
        """Something is going to wait: what was known before it stays what the client is certain of."""
        if not self._expunged and not self._flags:
            self._held_modseq = self.modseq

    @property
    def certain_modseq(self) -> int:
        """The client has been told all that happened up to here; what it has still to hear of came later."""
        return max(self._held_modseq if self._expunged or self._flags else self.modseq, 1)

    def note_told(self, modseq: int) -> None:
        """The client has been told a MODSEQ, perhaps one beyond what it knows all of."""
        self._told_modseq = max(self._told_modseq, modseq)

    @property
    def has_run_ahead(self) -> bool:
        """Has the client been told of a change while there may be earlier ones it has not heard of?"""
        return self._told_modseq > self.modseq

    def keep_numbers(self) -> None:
        """The command in progress names messages by numbers: no removal is told before it has ended."""
        self._keeps_numbers = True

    def end_of_command(self) -> bytes:
        """The response code HIGHESTMODSEQ, where a client that has enabled CONDSTORE needs it, or b"".

        After VANISHED it says from where on the client may ask next time. And a client that remembers the highest
        MODSEQ it saw in a command, and is then cut off, would never hear of removals that were held back; so it is told
        what it may remember (RFC 7162 sections 3.2 and 6).
        """
        told, self._told_modseq = self._told_modseq, 0
        owes, self._owes_modseq = self._owes_modseq, False
        self._keeps_numbers = False
        return b"HIGHESTMODSEQ %d" % self.certain_modseq if owes or told > self.certain_modseq else b""

    def take_own(self, modseq: int, shown: Iterable[FlagRow] = ()) -> None:
        """This session's own STORE has this modseq (0: it changed nothing), and the client knows; it was `shown` these
        flags.

        If nobody else came in between, there is nothing left to tell about it. Else the next look finds the others'
        changes and this one, of which the client is told what it was not shown.
        """
        is_next = modseq == self.modseq + 1
        if is_next:
            self.modseq = modseq
        if not is_next or self._flags:
            self._note_shown(shown)

    def _note_shown(self, shown: Iterable[FlagRow]) -> None:
        known = self._known or {}
        for row in shown:
            # New keywords are told with FLAGS first.
            if not self.has(row.uid) or not self.keywords.issuperset(row.keywords):
                continue
            if row.modseq > self.modseq:
                known[row.uid] = row.modseq
            waiting = self._flags.get(row.uid)
            if waiting is not None and waiting.modseq <= row.modseq:
                del self._flags[row.uid]
        # What is forgotten is told again, which does no harm.
        self._known = known if 0 < len(known) <= MOST_KNOWN else None

    def flush(self, *, expunge: bool, with_modseq: bool, vanished: bool = False, flags: bool = True) -> list[bytes]:
        """The untagged responses that bring the client up to date; EXPUNGE only if it may be told now, or VANISHED
        instead to who has enabled QRESYNC; changed `flags` unless the client does not want to hear of them.
        """
        told: list[bytes] = []
        if expunge and self._expunged and not self._keeps_numbers:
            if self.contexts is not None:
                told += self.contexts.without(self, self._expunged)
            told += self._flush_expunged(vanished=vanished)
        if len(self._uids) != self._told:
            self._told = len(self._uids)
            told += [response.exists(self._told), *self.recent_lines()]
        if self._flags and flags:
            told += self._flush_flags(with_modseq=with_modseq)
        return told

    def _flush_expunged(self, *, vanished: bool) -> list[bytes]:
        gone, self._expunged = self._expunged, frozenset()
        # A message that came and went before the client was told of it is not told at all. The client itself
        # counts down with each EXPUNGE, and with each UID of VANISHED.
        known = [uid for uid in sorted(gone) if self.sequence_number(uid) <= self._told]
        self._told -= len(known)
        if vanished:
            self._owes_modseq = bool(known)
            told = [response.untagged(b"VANISHED " + format_numbers(known))] if known else []
        else:
            told = [response.expunge(self.sequence_number(uid)) for uid in reversed(known)]
        self._uids = array("I", [uid for uid in self._uids if uid not in gone])
        for uid in gone:
            self._flags.pop(uid, None)
        return told

    def _flush_flags(self, *, with_modseq: bool) -> list[bytes]:
        rows, self._flags = self._flags, {}
        told = self.learn_keywords(keyword for row in rows.values() for keyword in row.keywords)
        for uid in sorted(rows):
            told.append(self.flags_response(rows[uid], with_uid=True, with_modseq=with_modseq))
        return told

    def flags_response(self, row: FlagRow, *, with_uid: bool, with_modseq: bool) -> bytes:
        """FETCH with the flags of one message."""
        parts = [b"UID %d" % row.uid] if with_uid else []
        parts.append(b"FLAGS (%b)" % self.flags_text(row))
        if with_modseq:
            self.note_told(row.modseq)
            parts.append(b"MODSEQ (%d)" % row.modseq)
        return b"* %d FETCH (%b)\r\n" % (self.sequence_number(row.uid), b" ".join(parts))

    def flags_text(self, row: FlagRow | CachedRow) -> bytes:
        """The flags of one message in this session."""
        return format_flags(row.flags, row.keywords or (), recent=row.uid >= self.first_recent_uid)

    # What SELECT tells, too.

    def learn_keywords(self, keywords: Iterable[str]) -> list[bytes]:
        """FLAGS and PERMANENTFLAGS anew, if there are keywords the client has not heard of."""
        new = frozenset(keyword for keyword in keywords if keyword not in self.keywords)
        if not new:
            return []
        self.keywords |= new
        return [self.flags_line(), self.permanent_flags_line()]

    def recent_lines(self) -> list[bytes]:
        """`* n RECENT`, if the client is to be told."""
        return [] if self.hides_recent else [response.recent(self.recent)]

    def flags_line(self) -> bytes:
        """`* FLAGS (...)`."""
        return response.untagged(b"FLAGS (%b)" % format_flags(31, self.keywords))

    def permanent_flags_line(self) -> bytes:
        """`* OK [PERMANENTFLAGS (...)]`."""
        bits = 0 if self.read_only else settable_bits(self.rights)
        if bits and WRITE in self.rights:
            flags = format_flags(bits, self.keywords) + rb" \*"
        else:
            flags = format_flags(bits)
        text = "Flags permitted" if flags else "No permanent flags permitted"
        return response.ok(text, b"PERMANENTFLAGS (%b)" % flags)
