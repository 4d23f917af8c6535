"""The disk is full at every step of every change of a store: the change is done, or nothing of it is.

A small file system is filled until only so many pages are left, for each number of pages. Part of promise 3 of
docs/reliability.md; the whole appliance is in test_disk_full.py.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mailcore.errors import StoreFull
from mailcore.message.flags import NO_FLAGS, SEEN, Flags
from mailcore.queue.spool import Spool
from mailcore.store.base import MessageStore
from mailcore.store.maildir.store import MaildirStore
from mailcore.store.mbox.store import MboxStore
from tests.fixtures_servers import quick_folder
from tests.reliability.small_volume import SmallVolume, files_below, small_volume

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
PAGE = 4096
MOST_PAGES = 24
MANY = Flags(SEEN, frozenset(f"keyword{number}-{'x' * 30}" for number in range(26)))
STORES = {"maildir": lambda folder: MaildirStore(folder, "mx.test"), "mbox": MboxStore}


@pytest.fixture(scope="module")
def volume() -> Iterator[SmallVolume]:
    folder = Path(tempfile.mkdtemp(prefix="mailkeep-full-", dir=quick_folder()))
    with small_volume(folder / "volume", 4 << 20) as made:
        yield made
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def folder(volume: SmallVolume) -> Iterator[Path]:
    made = volume.folder / "store"
    made.mkdir()
    yield made
    volume.empty()
    shutil.rmtree(made)


def a_message(number: int, size: int = 5000) -> bytes:
    return b"Subject: %d\n\n" % number + b"line %d\n" % number * (size // 7)


def filled(store: MessageStore) -> list[str]:
    """Four messages in INBOX and an empty Archive."""
    store.ensure_account()
    store.create_mailbox("Archive")
    return [store.append("INBOX", a_message(number)).key for number in range(4)]


def contents(store: MessageStore) -> dict[str, list[tuple[Flags, bytes]]]:
    """What readers see; every message is whole or this test has no use for it."""
    found = {}
    for mailbox in ("INBOX", "Archive"):
        scan = store.scan(mailbox)
        keys = list(scan.messages)
        texts = store.read_each(mailbox, [(key, scan.messages[key]) for key in keys])
        pairs = [(scan.messages[key], text or b"") for key, text in zip(keys, texts, strict=True)]
        found[mailbox] = sorted(pairs, key=lambda pair: pair[1])
    return found


def append(store: MessageStore, keys: list[str]) -> None:
    store.append("INBOX", a_message(9, 20_000))


def copy(store: MessageStore, keys: list[str]) -> None:
    store.copy("INBOX", [(keys[1], NO_FLAGS, LONG_AGO), (keys[2], NO_FLAGS, LONG_AGO)], "Archive")


def move(store: MessageStore, keys: list[str]) -> None:
    store.move("INBOX", [(keys[1], NO_FLAGS, LONG_AGO)], "Archive")


def flag(store: MessageStore, keys: list[str]) -> None:
    """More than a page of keywords: an mbox file has to grow."""
    store.set_flags("INBOX", [(key, NO_FLAGS, MANY) for key in keys])


def expunge(store: MessageStore, keys: list[str]) -> None:
    store.remove("INBOX", [(keys[1], NO_FLAGS)])


@pytest.mark.parametrize("change", [append, copy, move, flag, expunge])
@pytest.mark.parametrize("format", STORES)
def test_a_change_is_done_or_nothing_of_it_is(
    folder: Path,
    volume: SmallVolume,
    format: str,
    change: Callable[[MessageStore, list[str]], None],
    record: Callable[..., None],
) -> None:
    failed = 0
    for pages in range(MOST_PAGES):
        root = folder / f"{format}{pages}"
        store = STORES[format](root)
        keys = filled(store)
        before, files_before = contents(store), set(files_below(root))
        volume.fill(leave_bytes=pages * PAGE)
        try:
            change(store, keys)
            is_done = True
        except StoreFull:
            is_done = False
            failed += 1
        seen = contents(STORES[format](root))
        volume.empty()

        if not is_done:
            assert seen == before or is_half_of_a_move(change, before, seen), f"with {pages} pages left"
            left = {path for path in files_below(root) if not path.endswith(".append")} - files_before
            assert seen != before or not left, f"with {pages} pages left"
        else:
            assert seen != before
        store.append("INBOX", a_message(7))
        assert len(contents(store)["INBOX"]) == len(seen["INBOX"]) + 1
        shutil.rmtree(root)
    record(3, f"{format}: {change.__name__} on a full disk", steps=MOST_PAGES, refused=failed)


def is_half_of_a_move(
    change: Callable[[MessageStore, list[str]], None],
    before: dict[str, list[tuple[Flags, bytes]]],
    seen: dict[str, list[tuple[Flags, bytes]]],
) -> bool:
    """An mbox move copies first: a message in both places is no loss, and the caller takes the copy back."""
    return change is move and seen["INBOX"] == before["INBOX"] and len(seen["Archive"]) == 1


def test_a_spool_file_is_whole_or_not_there(folder: Path, volume: SmallVolume) -> None:
    spool, content = Spool(folder), a_message(1, 40_000)
    (folder / "queue" / "00").mkdir(parents=True)
    results = []
    for pages in range(MOST_PAGES):
        queue_id = f"00000{0:02d}{pages:07d}"
        volume.fill(leave_bytes=pages * PAGE)
        try:
            spool.sync([spool.adopt(content, queue_id)])
            results.append(True)
        except OSError:
            results.append(False)
        volume.empty()
        assert spool.path(queue_id).exists() == results[-1]
        spool.discard(queue_id)

    assert results[0] is False and results[-1] is True
