"""Many files at once, and what happens when one of them fails."""

import os

import pytest

from mailcore.store.sync import ParallelSync


@pytest.mark.parametrize("count", [0, 1, 7, 8, 9, 50])
def test_every_file_is_synced_once(tmp_path, monkeypatch, count):
    fds = [os.open(tmp_path / str(n), os.O_CREAT | os.O_WRONLY) for n in range(count)]
    synced = []
    monkeypatch.setattr(os, "fdatasync", synced.append)

    ParallelSync().contents(fds)

    assert sorted(synced) == sorted(fds)
    for fd in fds:
        os.close(fd)


def test_one_failure_fails_all(tmp_path):
    with pytest.raises(OSError, match="Bad file descriptor"):
        ParallelSync().contents([987654])


def test_directories_are_synced_when_the_body_ends_and_failures_show(tmp_path):
    sync = ParallelSync()
    with sync.directories([str(tmp_path)]):
        pass

    with pytest.raises(FileNotFoundError), sync.directories([str(tmp_path / "none")]):
        pass


def test_it_works_in_a_child_process(tmp_path):
    sync = ParallelSync()
    with sync.directories([str(tmp_path)]):
        pass

    child = os.fork()
    if child == 0:
        try:
            with sync.directories([str(tmp_path)]):
                pass
            os._exit(0)
        finally:
            os._exit(1)

    assert os.waitpid(child, 0)[1] == 0
