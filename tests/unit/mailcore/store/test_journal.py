"""The content journal: what was waited for can be read back, in order; what is torn or older cannot."""

import errno
import os
import threading
from pathlib import Path

import pytest

from mailcore.errors import StoreUnavailable
from mailcore.store import files, journal
from mailcore.store.folder_lock import FolderLock, is_recovering
from mailcore.store.journal import Entry, Journal, Place, read_names, read_segment


@pytest.fixture
def home(tmp_path):
    return tmp_path


@pytest.fixture
def make(home):
    made = []

    def make_journal(**options):
        made.append(Journal(home / "journal", home, **{"keep_s": 3600.0, **options}))
        return made[-1]

    yield make_journal
    for each in made:
        if not each._is_closing:
            each.close()


def entry(text: str, *paths: str) -> Entry:
    return Entry(text.encode(), tuple(Place(path, 7, number) for number, path in enumerate(paths or ["p"], 1)))


def keep(kept: Journal, *entries: Entry) -> None:
    with kept.keeping(entries) as writing:
        writing.wait()


def kept_in(kept: Journal) -> list[Entry]:
    return [each for name in ("a", "b") for each in read_segment(kept.folder / name)]


def test_what_was_kept_can_be_read(make):
    kept = make()
    entries = [entry("one", "mail/x/new/1"), entry("two", "mail/y/new/ä,2", "spool/queue/3"), entry("")]

    keep(kept, *entries[:2])
    keep(kept, entries[2])

    assert kept_in(kept) == entries


def test_one_content_is_flushed_by_who_waits(make, monkeypatch):
    kept, flushed = make(), []
    monkeypatch.setattr(os, "fdatasync", lambda fd: flushed.append((fd, threading.get_ident())))

    with kept.keeping_one(entry("one")) as writing:
        assert not flushed
        assert kept._active.writers == 1
        writing.wait()

    assert flushed == [(kept._active.fd, threading.get_ident())]
    assert kept._active.writers == 0
    assert kept_in(kept) == [entry("one")]


def test_more_buffers_than_one_call_takes(make):
    kept = make()
    entries = [entry(f"number {number}", f"mail/{number}") for number in range(700)]

    keep(kept, *entries)

    assert kept_in(kept) == entries


def test_a_torn_record_ends_the_segment(make):
    kept = make()
    keep(kept, entry("whole"))
    keep(kept, entry("torn" * 100))
    segment = kept.folder / "a"
    whole = segment.read_bytes()[: kept._segments[0].used]

    for size in (len(whole) - 1, len(whole) - 390, len(whole) - 420):
        segment.write_bytes(whole[:size])
        assert [each.content for each in read_segment(segment)] == [b"whole"]
    segment.write_bytes(whole[:-3] + b"xxx")
    assert [each.content for each in read_segment(segment)] == [b"whole"]


def named_in(kept: Journal) -> list[tuple[Place, ...]]:
    return [places for name in ("a", "b") for _, places in read_names(kept.folder / name)]


def test_names_are_read_without_their_contents(make, monkeypatch):
    kept = make()
    entries = [entry("x" * 100_000, "mail/x/new/1"), entry("", "mail/ä", "p" * 600), entry("y" * 100_000, "last")]
    keep(kept, *entries)
    real, sizes = os.pread, []

    def counted(*arguments):
        sizes.append(len(data := real(*arguments)))
        return data

    monkeypatch.setattr(os, "pread", counted)
    found = list(read_names(kept.folder / "a"))

    assert [places for _, places in found] == [each.places for each in entries]
    assert sum(sizes) < 4096
    assert [next(read_segment(kept.folder / "a", offset)) for offset, _ in found] == entries


def test_names_of_records_that_are_torn_older_or_flushed_do_not_count(make):
    kept = make(segment_bytes=1600)
    keep(kept, entry("a" * 100, "a1"), entry("b" * 500, "a2"))
    keep(kept, entry("c" * 900, "b1"))  # the other segment
    wait_for_free(kept, "a")
    assert named_in(kept) == [(Place("b1", 7, 1),)]
    keep(kept, entry("d" * 900, "a3"))  # in the first again, over the records of before
    wait_for_free(kept, "b")
    assert named_in(kept) == [(Place("a3", 7, 1),)]

    segment = kept.folder / "a"
    whole = segment.read_bytes()[: kept._segments[0].used]
    for spoiled in (whole[:-1], whole.replace(b"7,1,a3", b"\0\0\0\0\0\0"), whole.replace(b"7,1,a3", b"\xff,1,a3")):
        segment.write_bytes(spoiled)
        assert named_in(kept) == []
    assert list(read_names(kept.folder / "none")) == []


def test_names_are_found_beside_a_writer_that_goes_from_segment_to_segment(make):
    """As long as the files of a content may be lost, its name is found."""
    kept, stop = make(segment_bytes=20_000), threading.Event()

    def write_on():
        number = 0
        while not stop.is_set():
            keep(kept, *(entry("x" * 500, f"other/{number}/{each}") for each in range(7)))
            number += 1

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        for number in range(150):
            with kept.keeping([entry("mine" * number, f"mine/{number}")]) as writing:
                writing.wait()
                for _ in range(3):
                    assert (Place(f"mine/{number}", 7, 1),) in named_in(kept)
    finally:
        stop.set()
        writer.join(10)
    assert kept._epoch - kept._segments[0].epoch < 2 and kept._epoch > 20


def test_records_of_an_earlier_use_do_not_count(make):
    kept = make(segment_bytes=1600)
    keep(kept, entry("a" * 100), entry("b" * 500))
    keep(kept, entry("c" * 900))  # the other segment
    wait_for_free(kept, "a")
    keep(kept, entry("d" * 900))  # in the first again, over the records of before

    assert sorted(each.content[:1] for each in kept_in(kept)) in ([b"d"], [b"c", b"d"])


def wait_for_free(kept: Journal, name: str) -> None:
    segment = kept._segments["ab".index(name)]
    with kept._changed:
        assert kept._changed.wait_for(lambda: segment.is_free, 5)


def test_a_segment_is_used_anew_only_after_its_files_are_flushed(make, home, monkeypatch):
    flushed = threading.Event()
    monkeypatch.setattr(files, "sync_file_system", lambda fd: flushed.wait(10))
    monkeypatch.setattr(journal, "WAIT_S", 0.2)
    kept = make(segment_bytes=1500)
    fd = os.open(home, os.O_RDONLY)

    def keep_touching(text: str) -> None:
        with kept.keeping([entry(text)]) as writing:
            writing.touches(fd)
            writing.wait()

    keep_touching("a" * 1000)
    keep_touching("b" * 1000)
    with pytest.raises(StoreUnavailable):
        keep_touching("c" * 1000)
    assert sorted(each.content[:1] for each in kept_in(kept)) == [b"a", b"b"]
    flushed.set()
    wait_for_free(kept, "a")
    keep_touching("c" * 1000)
    os.close(fd)
    assert b"c" * 1000 in [each.content for each in kept_in(kept)]


def test_a_segment_with_a_batch_that_still_writes_files_is_not_given_up(make, monkeypatch):
    kept = make(segment_bytes=1500)
    with kept.keeping([entry("a" * 1000)]) as writing:
        writing.wait()
        keep(kept, entry("b" * 1000))
        assert not kept._segments[0].is_free
        assert b"a" * 1000 in [each.content for each in kept_in(kept)]
    wait_for_free(kept, "a")


def test_after_some_time_nothing_waits_in_the_journal(make):
    kept = make(keep_s=0.05)

    keep(kept, entry("a"))

    wait_for_free(kept, "a")
    assert kept_in(kept) == []


def test_a_file_system_that_cannot_be_flushed_keeps_the_segment(make, home, monkeypatch):
    failing = threading.Event()

    def broken(fd):
        if not failing.is_set():
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(files, "sync_file_system", broken)
    monkeypatch.setattr(journal, "RETRY_S", 0.01)
    kept = make(keep_s=0.01)
    fd = os.open(home, os.O_RDONLY)
    with kept.keeping([entry("precious")]) as writing:
        writing.touches(fd)
        writing.wait()
    os.close(fd)

    assert not threading.Event().wait(0.1)
    assert [each.content for each in kept_in(kept)] == [b"precious"]
    failing.set()
    wait_for_free(kept, "a")


def test_no_room_is_an_error_and_the_next_record_takes_its_place(make, monkeypatch):
    kept = make()
    keep(kept, entry("first"))
    real = os.pwritev

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(OSError, match="No space"):
        keep(kept, entry("refused"))
    monkeypatch.setattr(os, "pwritev", real)
    keep(kept, entry("second"))

    assert [each.content for each in kept_in(kept)] == [b"first", b"second"]


def test_a_segment_that_grows_is_ahead_of_its_records(make):
    kept = make()
    segment, sizes = kept.folder / "a", set()

    for number in range(10):
        keep(kept, entry(f"{number}" * (60 << 10)))
        sizes.add(segment.stat().st_size)
        assert segment.stat().st_size >= kept._segments[0].used

    assert len(sizes) == 2, "one step for several batches"
    assert [each.content[:1] for each in kept_in(kept)] == [b"%d" % number for number in range(10)]


def test_no_room_to_grow_ahead_costs_nothing_but_time(make, monkeypatch):
    kept = make()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        keep(kept, entry("first"))
        keep(kept, entry("second"))
        assert (kept.folder / "a").stat().st_size == kept._segments[0].used
    keep(kept, entry("third"))

    assert [each.content for each in kept_in(kept)] == [b"first", b"second", b"third"]
    assert (kept.folder / "a").stat().st_size > kept._segments[0].used


def test_closing_flushes_and_leaves_nothing(make, home):
    kept = make()
    keep(kept, entry("a"))

    kept.close()

    assert list((home / "journal").iterdir()) == []


def test_the_owner_holds_the_folder_as_long_as_it_lives(make):
    kept = make()
    assert FolderLock.take(kept.folder) is None
    assert not is_recovering(kept.folder)


def test_who_puts_a_folder_in_order_says_so(tmp_path: Path):
    FolderLock.create(tmp_path).release()

    lock = FolderLock.take(tmp_path)

    assert lock is not None
    assert is_recovering(tmp_path)
    assert FolderLock.take(tmp_path) is None
    lock.release()
