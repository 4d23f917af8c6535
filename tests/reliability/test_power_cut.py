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
from tests.reliability.powercut.clients import restarted
from tests.reliability.powercut.paths import MUTANTS, PATHS
from tests.reliability.powercut.record import recorder
from tests.reliability.powercut.replay import replay, states

SEED = 20

pytestmark = pytest.mark.timeout(1800)


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
    """By turns one of the last moments, when the most has been promised, and any other."""
    last_first = sorted(found, key=lambda state: -state.cut)
    return [state for pair in zip(last_first, shuffled(last_first), strict=True) for state in pair]


def shuffled(found):
    return random.Random(SEED).sample(found, len(found))


@pytest.mark.parametrize("path", PATHS)
def test_no_promise_is_broken(path, recordings, folder, length, record):
    recording = recordings[path]
    at_most = int(length(20, 2000))

    found = list(states(recording, per_cut=int(length(40, 300)), seed=SEED))
    possible = len(found)
    if possible > at_most:
        found = random.Random(SEED).sample(found, at_most)
    tried = replay(recording, found, folder)

    record(4, "power cut", path=path, states=tried.states, of=possible, cuts=tried.cuts)
    assert tried.states > 10
    assert distinct(tried.wrong) == []


@pytest.mark.parametrize("path", ["delivery", "APPEND", "journal in turn"])
def test_who_looks_before_the_recovery_loses_nothing(path, recordings, folder, length):
    """On a shared volume, while the machine that lost power is away. Who was too early may have taken up half of a
    message that nobody was told of: the recovery makes the file whole, its row keeps the size that was seen.
    """
    found = random.Random(SEED).sample(list(states(recordings[path], per_cut=40, seed=SEED)), int(length(40, 600)))

    tried = replay(recordings[path], found, folder, looks_first=True)

    assert distinct(each for each in tried.wrong if "its row says" not in each) == []


@pytest.mark.parametrize("path", ["fresh mail", "mbox STORE"])
def test_clients_see_what_was_promised_and_only_whole_messages(path, recordings, folder, servers, length, record):
    """The same with a real accessd, for a few of the states of which the least survived."""
    recording = recordings[path]
    found = likely_first(states(recording, per_cut=3, seed=SEED))[: int(length(1, 20))]

    for number, state in enumerate(found):
        with restarted(
            state,
            folder / f"{path} {number}",
            url := servers.create_database(),
            servers.empty_valkey_database(),
        ) as server:
            for name, account in recording.accounts.items():
                seen = {mailbox: server.by_imap(account.address, mailbox) for mailbox in ("INBOX", "Archive")}
                assert server.by_pop3(account.address) == seen["INBOX"]
                everything = [tag for tags in seen.values() for tag in tags]
                assert None not in everything
                assert {tag for owner, tag in state.expected.must_be if owner == name} <= set(everything)
        servers.drop_database(url)
    record(4, "power cut, seen by IMAP and POP3 clients", path=path, states=len(found))


@pytest.mark.parametrize("mutant", MUTANTS)
def test_without_one_fsync_a_promise_is_broken(mutant, recordings, folder):
    recording = recordings[mutant]

    found = likely_first(states(recording, per_cut=40, seed=SEED))
    wrong = any(replay(recording, found[n : n + 20], folder).wrong for n in range(0, len(found), 20))

    assert wrong, f"nothing was wrong in {len(found)} states"
