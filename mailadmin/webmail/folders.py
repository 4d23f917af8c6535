"""The folder list at the side: what the account's mailboxes are called for people, in which order, with which sign."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

from mailcore.index.records import MailboxRecord

# Special use (RFC 6154) -> (rank, sign, what people call it).
_SPECIAL = {
    "INBOX": (0, "inbox", "Inbox"),
    "\\Drafts": (1, "drafts", "Drafts"),
    "\\Sent": (2, "sent", "Sent"),
    "\\Archive": (3, "archive", "Archive"),
    "\\Junk": (4, "junk", "Junk"),
    "\\Trash": (5, "trash", "Trash"),
}
_OTHER_RANK = 6


@dataclass(frozen=True, slots=True)
class Folder:
    """One line of the folder list. `depth` is how far it is indented; `name` is what its name has more than that of the
    folder it stands below: the last level only, unless levels between them are no mailboxes.
    """

    id: int
    full_name: str
    name: str
    icon: str
    depth: int
    unread: int
    total: int
    is_current: bool
    kind: str


def folders(mailboxes: Sequence[MailboxRecord], current_id: int | None = None) -> list[Folder]:
    """All mailboxes, special ones first, the rest as a tree in alphabetical order."""
    names = {mailbox.name for mailbox in mailboxes}
    ranks = {mailbox.name: _SPECIAL[_kind(mailbox)][0] for mailbox in mailboxes if _kind(mailbox) in _SPECIAL}
    return [
        _folder(mailbox, current_id, names, ranks, title(mailbox, mailboxes))
        for mailbox in sorted(mailboxes, key=lambda mailbox: _order(mailbox, ranks))
    ]


def title(mailbox: MailboxRecord, among: Sequence[MailboxRecord]) -> str:
    """What people call the mailbox. Where several of `among`, those of the account, have one special use, as clients
    may give it (RFC 6154 section 3), each keeps its own name.
    """
    kind = _kind(mailbox)
    alone = sum(_kind(other) == kind for other in among) < 2
    return _SPECIAL[kind][2] if kind in _SPECIAL and alone else mailbox.name


def _kind(mailbox: MailboxRecord) -> str:
    return "INBOX" if mailbox.name == "INBOX" else mailbox.special_use


def _order(mailbox: MailboxRecord, ranks: Mapping[str, int]) -> tuple[int, list[str]]:
    """What is below a special folder comes after it."""
    levels = mailbox.name.split("/")
    lines = ("/".join(levels[:depth]) for depth in range(len(levels), 0, -1))
    rank = next((ranks[line] for line in lines if line in ranks), _OTHER_RANK)
    return rank, mailbox.name.casefold().split("/")


def _folder(
    mailbox: MailboxRecord, current_id: int | None, names: Set[str], ranks: Mapping[str, int], called: str
) -> Folder:
    kind = _kind(mailbox)
    levels = mailbox.name.split("/")
    above = [depth for depth in range(1, len(levels)) if "/".join(levels[:depth]) in names]
    # A special folder is at the margin, wherever it is.
    margin = max((depth for depth in above if "/".join(levels[:depth]) in ranks), default=0)
    special = _SPECIAL.get(kind)
    return Folder(
        id=mailbox.id,
        full_name=mailbox.name,
        name=called if special else "/".join(levels[max(above, default=0) :]),
        icon=special[1] if special else "folder",
        depth=0 if special else min(sum(depth >= margin for depth in above), 4),
        unread=_to_read(kind, mailbox),
        total=mailbox.messages,
        is_current=mailbox.id == current_id,
        kind=kind,
    )


def _to_read(kind: str, mailbox: MailboxRecord) -> int:
    """Nobody has to read the trash or what he wrote himself; drafts are counted because they wait."""
    if kind in {"\\Trash", "\\Sent", "\\Junk"}:
        return 0
    return mailbox.messages if kind == "\\Drafts" else mailbox.unseen
