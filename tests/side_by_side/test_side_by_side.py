"""The quick dialogues: nothing may differ from Dovecot but what known*.toml explain. `make side-by-side` plays all."""

from tests.fixtures_servers import Servers
from tests.side_by_side.report import report
from tests.side_by_side.run import dialogues, run
from tests.side_by_side.servers import both_on


def test_what_differs_from_dovecot_is_known(servers: Servers) -> None:
    with both_on(servers) as pair:
        outcome = run(pair, dialogues(quick=True), whole=False)

    assert outcome.is_good, (
        "tests/side_by_side/known*.toml give the reason for each difference that stays; take out what has vanished\n"
        + report(outcome)
    )
    assert outcome.steps > 500
