"""Eight connections of different kinds on one mailbox, through two processes, against a model of it.

IMAP_MODEL_STEPS operations on each store: 200 in `make test`, 10,000 in `make sessions`. Hypothesis chooses the seed,
and says which it was when a run fails; IMAP_MODEL_SEED repeats it.
"""

import os
from collections.abc import Iterator

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.fixtures_servers import Servers
from tests.integration.imap_server import ImapServer
from tests.integration.mailbox_play import Play
from tests.integration.test_imap_processes import two_processes

STEPS = int(os.environ.get("IMAP_MODEL_STEPS", "200"))
SEED = os.environ.get("IMAP_MODEL_SEED")
RUNS = max(2, STEPS // 1000)
"""Each with mailboxes of its own."""
RUN = settings(max_examples=RUNS, deadline=None, database=None, phases=[Phase.explicit, Phase.generate])

Two = tuple[tuple[ImapServer, ImapServer], str]


@pytest.fixture(scope="module", name="two")
def two_accessd(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Two]:
    """Two processes for all runs; each run has an account of its own."""
    redis_url = servers.empty_valkey_database()
    with two_processes(servers, tmp_path_factory.mktemp("home"), redis_url) as both:
        yield both, redis_url


def seeds() -> st.SearchStrategy[int]:
    return st.just(int(SEED)) if SEED else st.integers(1, 2**32)


@pytest.mark.timeout(120 + STEPS // 5)
@pytest.mark.parametrize("store", ["maildir", "mbox"])
def test_every_client_knows_what_is_so(two: Two, store: str) -> None:
    processes, redis_url = two

    @RUN
    @given(seed=seeds())
    def run(seed: int) -> None:
        play = Play(processes, redis_url, store, seed)
        try:
            for _ in range(STEPS // RUNS):
                play.step()
            play.check_everybody()
        except BaseException as error:
            error.add_note(f"IMAP_MODEL_SEED={seed}, after {len(play.said)} operations: {play.said[-12:]}")
            raise
        finally:
            play.close()
            for process in processes:
                process.hang_up()

    run()
