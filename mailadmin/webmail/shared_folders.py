"""The folders of others at the side, below one's own: by owner, as their owner calls and orders them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from mailadmin.webmail.folders import Folder, folders
from mailcore.identity import AccountRef
from mailcore.sharing.names import name_for
from mailcore.sharing.places import SharedMailbox
from mailcore.sharing.rights import INSERT, READ


@dataclass(frozen=True, slots=True)
class OwnersFolders:
    """What one account shares with the reader."""

    owner: str
    folders: list[Folder]


def shared_folders(
    reader: AccountRef, shared: Sequence[SharedMailbox], current_id: int | None = None
) -> list[OwnersFolders]:
    """The folders that can be opened; one that is only known to be there is none."""
    readable = (each for each in shared if READ in each.rights)
    return [
        OwnersFolders(owner, _of_one_owner(reader, list(theirs), current_id))
        for owner, theirs in groupby(readable, key=lambda each: each.owner.address)
    ]


def targets(
    own: Sequence[Folder], shared: Sequence[SharedMailbox], current_id: int | None = None
) -> list[tuple[int, str]]:
    """Where messages may be put: ids and names. A folder of somebody else may take what nobody but he can read."""
    found = [(folder.id, folder.full_name) for folder in own]
    found += [(each.record.id, each.record.name) for each in shared if INSERT in each.rights]
    return [(mailbox_id, name) for mailbox_id, name in found if mailbox_id != current_id]


def _of_one_owner(reader: AccountRef, theirs: Sequence[SharedMailbox], current_id: int | None) -> list[Folder]:
    called = {each.record.id: each.record.name for each in theirs}
    above = len(name_for(reader.address, theirs[0].owner.address, ""))
    records = [each.record._replace(name=each.record.name[above:]) for each in theirs]
    return [replace(folder, full_name=called[folder.id]) for folder in folders(records, current_id)]
