"""What a power cut leaves of an append to an mbox file, and what the next who takes the lock makes of it."""

import os

import pytest

from mailcore.message.flags import NO_FLAGS, SEEN, Flags
from mailcore.store.mbox import tail
from mailcore.store.mbox.store import MboxStore

FIRST, SECOND = b"Subject: first\n\nbody\n", b"Subject: second\n\n" + b"body\n" * 2000


@pytest.fixture
def store(tmp_path):
    made = MboxStore(tmp_path / "mbox")
    made.create_mailbox("INBOX")
    made.append("INBOX", FIRST)
    return made


@pytest.fixture
def cut(store, monkeypatch):
    """An append that was announced, of which `how` many bytes are there; zeros between the first and the last ones."""
    path = store.file("INBOX")
    before = path.read_bytes()

    def make(start, end, then=b""):
        with monkeypatch.context() as patched:
            patched.setattr(tail, "done", lambda path: None)
            store.append("INBOX", SECOND)
        after = path.read_bytes()
        added = bytearray(after[len(before) :])
        added[start:end] = bytes(len(added[start:end]))
        path.write_bytes(before + (bytes(added) if end is not None else bytes(added[:start])) + then)
        return before, after

    return make


def messages(store):
    found = store.scan("INBOX").messages
    texts = []
    for key in found:
        with store.open("INBOX", key, NO_FLAGS) as message:
            texts.append(message.read().replace(b"\r\n", b"\n"))
    return texts


@pytest.mark.parametrize("end", [1, 30, 200, 5000])
def test_the_beginning_of_an_append_is_cut_off_again(store, cut, end):
    before, _ = cut(end, None)

    assert messages(store) == [FIRST]
    assert store.file("INBOX").read_bytes() == before


@pytest.mark.parametrize(("start", "end"), [(0, 4096), (4096, 8192), (8192, 99999), (0, 99999)])
def test_an_append_with_holes_of_zeros_is_cut_off_again(store, cut, start, end):
    cut(start, end)

    assert messages(store) == [FIRST]


def test_an_append_that_is_complete_stays(store, cut):
    cut(0, 0)

    assert messages(store) == [FIRST, SECOND]
    assert not tail.is_announced(store.file("INBOX"))


def test_nothing_is_cut_where_another_program_has_written(store, cut):
    """The append was lost altogether, and somebody else was quicker than we."""
    cut(0, None, b"From them Mon Jan  1 00:00:00 2024\nSubject: theirs\n\nbody\n\n")

    assert messages(store) == [FIRST, b"Subject: theirs\n\nbody\n"]


def test_an_announcement_that_is_not_whole_itself_means_that_nothing_was_written(store):
    path = store.file("INBOX")
    tail.announce(path, 5, [b"From "])
    with tail.tail_file(path).open("r+b") as file:
        file.seek(20)
        file.write(b"\0" * 40)

    assert messages(store) == [FIRST]
    assert os.stat(tail.tail_file(path)).st_size == 0


def test_flags_that_changed_since_are_no_reason_to_cut(store, cut):
    """The announcement of a complete append came back with the power cut, and the message has other flags by now."""
    cut(0, 0)
    announced = tail.tail_file(store.file("INBOX")).read_bytes()
    key = list(store.scan("INBOX").messages)[-1]
    store.set_flags("INBOX", [(key, NO_FLAGS, Flags(SEEN, frozenset()))])
    tail.tail_file(store.file("INBOX")).write_bytes(announced)

    assert messages(store) == [FIRST, SECOND]
