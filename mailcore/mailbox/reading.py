"""Reading many messages of a mailbox one after the other, in groups that memory can hold."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mailcore.index.records import MessageRow
from mailcore.store.base import MessageStore

_GROUP = 100
_GROUP_BYTES = 16 << 20


def read_messages(
    store: MessageStore, name: str, rows: Sequence[MessageRow], *, at_most: int | None = None
) -> Iterator[tuple[MessageRow, bytes]]:
    """Each message that is still there with its wire form, or the beginning of it: `at_most` stored bytes."""
    for group in _groups(rows, at_most):
        read = store.read_each(name, [(row.store_key, row.as_flags()) for row in group], at_most=at_most)
        for row, data in zip(group, read, strict=True):
            if data is not None:
                yield row, data


def _groups(rows: Sequence[MessageRow], at_most: int | None) -> Iterator[list[MessageRow]]:
    group: list[MessageRow] = []
    size = 0
    for row in rows:
        length = row.size if at_most is None else min(row.size, at_most)
        if group and (len(group) == _GROUP or size + length > _GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(row)
        size += length
    if group:
        yield group
