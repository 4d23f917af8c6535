"""What goes wrong in the process that commits reaches smtpd as an answer, and never as a shortened message."""

import os
import pickle

import pytest

from mailcore.errors import StoreFull, StoreUnavailable
from smtpd.committer import BEFORE_COMMIT, KEPT_MEMORY, LENGTH, Question, answer, framed


class FakeCommitter:
    def __init__(self, outcome):
        self.outcome = outcome
        self.asked = []

    def commit(self, arrivals, lifetime_s):
        self.asked.append((arrivals, lifetime_s))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def memory():
    descriptor = os.memfd_create("test")
    yield descriptor
    os.close(descriptor)


def question(memory, *contents, missing=0):
    """The frame of a batch whose arrivals are nothing but their contents."""
    buffers = []
    batch = pickle.dumps(([*map(pickle.PickleBuffer, contents)], 60.0), 5, buffer_callback=buffers.append)
    os.pwrite(memory, BEFORE_COMMIT + b"".join(contents)[: sum(map(len, contents)) - missing], 0)
    return framed(Question(tuple(map(len, contents)), batch))[LENGTH.size :]


def unframed(frame):
    return pickle.loads(frame[LENGTH.size :])


def test_contents_come_through_the_memory(memory):
    committer = FakeCommitter(([], {7}))

    assert unframed(answer(committer, question(memory, b"one", b"", b"three"), memory)) == ([], {7})
    assert committer.asked == [([b"one", b"", b"three"], 60.0)]


def test_a_memory_that_is_too_short_commits_nothing(memory):
    committer = FakeCommitter(([], set()))

    error = unframed(answer(committer, question(memory, b"one", b"three", missing=1), memory))

    assert isinstance(error, StoreUnavailable)
    assert committer.asked == []


@pytest.mark.parametrize("outcome", [([], set()), StoreFull("no space"), RuntimeError("a mistake of ours")], ids=str)
def test_much_memory_is_given_back_whatever_became_of_the_batch(memory, outcome):
    unframed(answer(FakeCommitter(outcome), question(memory, bytes(KEPT_MEMORY + 1)), memory))

    assert os.fstat(memory).st_size == len(BEFORE_COMMIT)


def test_an_error_is_the_answer(memory):
    error = unframed(answer(FakeCommitter(StoreFull("no space")), question(memory, b"one"), memory))

    assert isinstance(error, StoreFull)
    assert str(error) == "no space"
