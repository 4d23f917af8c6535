"""Mailboxes on which somebody IDLEs."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from accessd import file_watch
from accessd.file_watch import FileWatch
from mailcore.identity import AccountRef
from mailcore.index.records import MailboxRecord
from mailcore.store.storage import Storage

OWNER = AccountRef(1, "ann@mail.test")
RECORD = MailboxRecord(5, 1, "Before", 7, 2, 10, 2, "", 1, 0, 0)


def test_after_a_rename_the_new_folder_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """By its old name it would be compared anew, file by file, at every look."""
    monkeypatch.setattr(file_watch, "LOOK_EVERY_S", 0.0)
    looked_at: list[str] = []
    looked = asyncio.Event()

    async def offload(_unit: Any, _storage: Storage, watched: Sequence[tuple[MailboxRecord, AccountRef]]) -> list[int]:
        looked_at.extend(record.name for record, _ in watched)
        looked.set()
        return []

    async def run() -> None:
        files = FileWatch(offload, Storage(Path("/nowhere")), None)  # type: ignore[arg-type]
        files.watch(RECORD, OWNER)
        files.renamed(RECORD._replace(name="After"))
        files.renamed(RECORD._replace(id=6, name="Of nobody"))
        files.start()
        await asyncio.wait_for(looked.wait(), 5)
        await files.stop()

    asyncio.run(run())

    assert set(looked_at) == {"After"}
