"""A mailbox as somebody reaches it: his own, or one of another account, with what its owner allows (RFC 4314).

What a page offers and what an action does ask the same questions here.
"""

from __future__ import annotations

from dataclasses import dataclass

from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.sharing import rights
from mailcore.sharing.places import Place


@dataclass(frozen=True, slots=True)
class Opened:
    """`record` has the owner's name for the mailbox: it is looked for there."""

    record: MailboxRecord
    owner: AccountRef
    reader: AccountRef
    rights: str = rights.ALL

    @property
    def is_own(self) -> bool:
        """Does it belong to who looks at it?"""
        return self.owner.id == self.reader.id

    @property
    def special_use(self) -> str:
        """What it is for; what others call their trash is a folder like any other."""
        return self.record.special_use if self.is_own else ""

    @property
    def place(self) -> Place:
        """For mailcore.mailbox.transfer."""
        return Place(self.owner, self.record.name, self.rights)

    @property
    def may_mark_read(self) -> bool:
        """May \\Seen be set and taken away?"""
        return rights.KEEP_SEEN in self.rights

    @property
    def may_flag(self) -> bool:
        """May other flags?"""
        return rights.WRITE in self.rights

    @property
    def may_remove(self) -> bool:
        """May messages be deleted, or moved elsewhere? As MOVE of IMAP asks."""
        return {rights.DELETE_MESSAGE, rights.EXPUNGE} <= set(self.rights)

    @property
    def may_insert(self) -> bool:
        """May messages be put here?"""
        return rights.INSERT in self.rights

    def require(self, *needed: str) -> Opened:
        """This mailbox, if the reader has all these rights. Raises NotPermitted."""
        self.place.require(*needed)
        return self
