"""What the index must learn from the store: messages to adopt, to drop, and flags that others changed. Pure.

The store is right about which messages exist, and about flags as far as it can express them: our own changes reach it
before they are committed, so a difference was made by another program or by a crash in between. Only of what a journal
holds nothing is known as long as its file is missing (mailcore.mailbox.missing).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mailcore.index.records import MessageRow
from mailcore.message.flags import Flags


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do; `kept` are rows without a file that are left alone."""

    adopt: list[str]
    drop: list[MessageRow]
    flags: list[tuple[MessageRow, Flags]]
    kept: list[MessageRow]

    def __bool__(self) -> bool:
        return bool(self.adopt or self.drop or self.flags)


def compare(
    messages: Mapping[str, Flags],
    nameable: frozenset[str] | None,
    rows: Sequence[MessageRow],
    journalled: Collection[int] = (),
) -> Plan:
    """`messages` and `nameable` as in store.base.Scan; `rows` is all the index knows of the mailbox; `journalled` are
    UIDs of messages that may come back.
    """
    lower = None if nameable is None else frozenset(keyword.lower() for keyword in nameable)
    drop: list[MessageRow] = []
    kept: list[MessageRow] = []
    flags: list[tuple[MessageRow, Flags]] = []
    known: set[str] = set()
    for row in rows:
        found = messages.get(row.store_key)
        if found is None or row.store_key in known:
            (kept if row.uid in journalled else drop).append(row)
            continue
        known.add(row.store_key)
        if found.bits != row.flags or found.keywords or row.keywords:
            wanted = _wanted(found, lower, row)
            if wanted is not None:
                flags.append((row, wanted))
    adopt = [key for key in messages if key not in known] if len(known) < len(messages) else []
    return Plan(adopt, drop, flags, kept)


def _wanted(found: Flags, nameable: frozenset[str] | None, row: MessageRow) -> Flags | None:
    """The flags the row should have; None if it has them."""
    present = {keyword.lower() for keyword in found.keywords}
    kept = {k for k in row.keywords if k.lower() in present or (nameable is not None and k.lower() not in nameable)}
    spelled = {keyword.lower() for keyword in kept}
    keywords = kept | {keyword for keyword in found.keywords if keyword.lower() not in spelled}
    if found.bits == row.flags and keywords == set(row.keywords):
        return None
    return Flags(found.bits, frozenset(keywords))
