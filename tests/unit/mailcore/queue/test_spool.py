"""Spool files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mailcore.ids import new_queue_id
from mailcore.queue.spool import Spool

MESSAGE = b"Return-Path: <a@b>\nSubject: x\n\none\ntwo\n"
OFFSET = MESSAGE.index(b"Subject")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool")


def test_content_in_memory_and_in_a_file_both_become_the_spool_file(spool, tmp_path):
    incoming = tmp_path / "incoming"
    incoming.write_bytes(MESSAGE)
    first, second = new_queue_id(), new_queue_id()

    paths = [spool.adopt(MESSAGE, first), spool.adopt(incoming, second)]
    spool.sync(paths)

    assert [path.read_bytes() for path in paths] == [MESSAGE, MESSAGE]
    assert paths[1].stat().st_ino == incoming.stat().st_ino, "linked, not copied"
    assert [spool.path(first), spool.path(second)] == paths


def test_a_file_on_another_file_system_is_copied(spool, tmp_path, monkeypatch):
    incoming = tmp_path / "incoming"
    incoming.write_bytes(MESSAGE)

    def refuse(*_: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)

    assert spool.adopt(incoming, new_queue_id()).read_bytes() == MESSAGE


def test_a_message_that_is_there_is_never_overwritten(spool):
    queue_id = new_queue_id()
    spool.adopt(MESSAGE, queue_id)

    with pytest.raises(FileExistsError):
        spool.adopt(b"another\n", queue_id)


def test_a_missing_source_is_not_taken_for_a_missing_folder(spool, tmp_path):
    with pytest.raises(FileNotFoundError):
        spool.adopt(tmp_path / "nowhere", new_queue_id())


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "short", "with space 12", "ünicode12345"])
def test_only_queue_ids_name_files(spool, name):
    with pytest.raises(ValueError, match="not a queue id"):
        spool.path(name)


def test_messages_of_one_moment_share_a_folder(spool):
    assert len({spool.path(new_queue_id()).parent for _ in range(50)}) <= 2


def test_reading_begins_after_what_stays_here_and_is_in_wire_form(spool):
    queue_id = new_queue_id()
    spool.adopt(MESSAGE, queue_id)
    wire = MESSAGE[OFFSET:].replace(b"\n", b"\r\n")

    with spool.open(queue_id, OFFSET) as message:
        assert message.read() == wire and message.wire_size == len(wire)
        assert b"".join(message.disk_chunks(7)) == MESSAGE[OFFSET:]
        assert message.read_range(5, 12) == wire[5:17]
        assert message.read_range(len(wire) - 3, 100) == wire[-3:]
        assert message.read_range(len(wire), 1) == b""


def test_discarding_twice_is_fine(spool):
    queue_id = new_queue_id()
    spool.adopt(MESSAGE, queue_id)

    spool.discard(queue_id)
    spool.discard(queue_id)

    with pytest.raises(FileNotFoundError):
        spool.open(queue_id)


def test_the_sweep_takes_only_what_is_old_and_unknown(spool):
    old_unknown, old_known, young = new_queue_id(), new_queue_id(), new_queue_id()
    for queue_id in (old_unknown, old_known, young):
        spool.adopt(MESSAGE, queue_id)
    for queue_id in (old_unknown, old_known):
        os.utime(spool.path(queue_id), (1, 1))
    asked: list[list[str]] = []

    removed = spool.sweep(lambda ids: (asked.append(list(ids)), {old_known})[1])

    assert removed == 1 and sorted(asked[0]) == sorted([old_unknown, old_known])
    assert not spool.path(old_unknown).exists()
    assert spool.path(old_known).exists() and spool.path(young).exists()


def test_the_sweep_takes_what_was_never_received_to_its_end(spool):
    incoming = spool.root / "incoming"
    incoming.mkdir(parents=True)
    for name in ("abandoned", "coming in"):
        (incoming / name).write_bytes(b"half a mess")
    os.utime(incoming / "abandoned", (1, 1))

    assert spool.sweep(set) == 1

    assert [path.name for path in incoming.iterdir()] == ["coming in"]
