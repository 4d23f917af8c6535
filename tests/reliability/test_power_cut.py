"""Power cut: every state of disk and database that may survive is recovered, and no promise is broken.

The real code is recorded under strace, so a changed order of its steps is what is tested. The rules of what survives
are in docs/adr/0025; tests/reliability/powercut has the recorder, the rules and the replayer.
"""

import random
import shutil
import tempfile
from pathlib import Path

import pytest

from tests.fixtures_servers import quick_folder
from tests.reliability.powercut.paths import MUTANTS, PATHS
from tests.reliability.powercut.record import recorder
from tests.reliability.powercut.replay import replay, states

SEED = 20


@pytest.fixture(scope="module")
def folder():
    """In memory if it can be: what survives is decided by rules, not by this disk."""
    made = Path(tempfile.mkdtemp(prefix="mailkeep-power-", dir=quick_folder()))
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def recordings(folder, servers):
    """All paths and all mutants, recorded once."""
    with recorder(folder, servers.create_database) as made:
        for path in PATHS:
            made.record(path)
        for mutant in MUTANTS.values():
            made.record(mutant.path, leave_out=mutant.pattern, quick_commit=mutant.quick_commit)
        return dict(zip([*PATHS, *MUTANTS], made.recordings(), strict=True))


def distinct(wrong):
    """One line for each kind of problem."""
    return list({problem.partition(": ")[2]: problem for problem in wrong}.values())


def likely_first(found):
    """The last moments first: by then the most has been promised."""
    return sorted(found, key=lambda state: -state.cut)


@pytest.mark.parametrize("path", PATHS)
def test_no_promise_is_broken(path, recordings, folder, length, record):
    recording = recordings[path]
    at_most = int(length(40, 2000))

    found = list(states(recording, per_cut=int(length(40, 300)), seed=SEED))
    possible = len(found)
    if possible > at_most:
        found = random.Random(SEED).sample(found, at_most)
    tried = replay(recording, found, folder)

    record(4, "power cut", path=path, states=tried.states, of=possible, cuts=tried.cuts)
    assert tried.states > 10
    assert distinct(tried.wrong) == []


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_one_fsync_a_promise_is_broken(mutant, recordings, folder):
    recording = recordings[mutant]

    found = likely_first(states(recording, per_cut=40, seed=SEED))
    tried = replay(recording, found, folder, until_wrong=True)

    assert tried.wrong, f"nothing was wrong in {tried.states} states"
