"""docs/benchmarks.md and the block in README.md are made of the journal, and the journal forgets nothing."""

import json
from pathlib import Path

import pytest

from tests.bench import growth_page, page, plots, readme
from tests.bench.compare import Comparison, with_what_follows
from tests.bench.journal import Attempt, Journal
from tests.bench.points import Points
from tests.bench.rows import row_named
from tests.bench.servers import Appliance, Peer

TO_MAILBOX = row_named("SMTP to mailbox, 20 sessions")
IDLE_10000 = row_named("10,000 idle IMAP connections")
FACTS = {"date": "2026-01-02", "machine": "2 cores", "ours": "Mailkeep abc", "peer": "Postfix 3, Dovecot 2"}


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "results.jsonl")


@pytest.fixture
def keep(journal):
    """Keep an attempt at the end-to-end row."""
    session = journal.begin(FACTS)

    def add(label, rate=0.0, *, run=1, generation=1, row=TO_MAILBOX, noisy=False, last=True, error="", **result):
        found = None if error else {"delivered_per_s": rate, **result}
        journal.add(Attempt(row.name, row.text, label, run, generation, session, noisy, last, error, found))

    return add


def written(journal: Journal, tmp_path: Path) -> str:
    target = tmp_path / "page.md"
    page.write(journal.path, target)
    return target.read_text()


def test_the_journal_is_read_back_as_it_was_written(journal, keep):
    keep(Peer.label, 100.0)
    keep(Appliance.label, error="it fell over")

    again = Journal(journal.path)

    assert again.attempts == journal.attempts
    assert again.sessions == journal.sessions


def test_an_interrupted_comparison_goes_on_with_what_is_missing(journal, keep):
    comparison = Comparison(journal, "s", {TO_MAILBOX.name: 1, IDLE_10000.name: 1}, retries=2)
    keep(Peer.label, 100.0)
    keep(Appliance.label, 400.0, noisy=True, last=False)
    keep(Appliance.label, row=IDLE_10000, error="no connection")

    missing = comparison.missing([TO_MAILBOX, IDLE_10000], 1)

    assert missing == [(TO_MAILBOX, Appliance.label), (IDLE_10000, Appliance.label)], "failures are tried again"
    keep(Appliance.label, 410.0, noisy=True, last=True)
    assert comparison.missing([TO_MAILBOX], 1) == [], "out of patience counts as done"
    assert len(comparison.missing([TO_MAILBOX], 2)) == 2


def test_who_is_first_changes_from_row_to_row_and_from_run_to_run(journal):
    accept = row_named("SMTP accept, 20 sessions")
    comparison = Comparison(journal, "s", {TO_MAILBOX.name: 1, accept.name: 1}, retries=0)

    order = [[label for _, label in comparison.missing([TO_MAILBOX, accept], run)] for run in (1, 2)]

    assert order[0] == [Appliance.label, Peer.label, Peer.label, Appliance.label]
    assert order[1] == [Peer.label, Appliance.label, Appliance.label, Peer.label]


def test_a_row_says_ratio_range_and_whether_it_holds_its_budget(journal, keep, tmp_path):
    for run, theirs, ours in ((1, 100.0, 390.0), (2, 110.0, 450.0), (3, 90.0, 410.0)):
        keep(Peer.label, theirs, run=run)
        keep(Appliance.label, ours, run=run)

    text = written(journal, tmp_path)

    assert "| 100 (90 to 110, 3 runs) | 410 (390 to 450, 3 runs) | 4.10× | ≥ 4× | held |" in text
    assert "1 of 1 are held" in text
    assert "2026-01-02: 2 cores. Mailkeep abc. Postfix 3, Dovecot 2." in text


def test_a_missed_budget_is_shown_with_what_bounds_it(journal, keep):
    keep(Peer.label, 100.0)
    keep(Appliance.label, 390.0)

    unknown = page.misses(journal, {})
    known = page.misses(journal, page.bounds("intro\n## SMTP to mailbox, 20 sessions: msg/s\nThe disk.\n\n## other\nx"))

    assert "3.90×, must be ≥ 4×. Not examined yet." in unknown
    assert "must be ≥ 4×. The disk." in known


def test_what_the_peer_is_not_asked_has_no_ratio_but_a_verdict(journal, keep, tmp_path):
    keep(Appliance.label, row=IDLE_10000, held=9_999, accept_to_exists={"max_ms": 12.0})

    text = written(journal, tmp_path)

    assert "held ↑ | - | 9,999 (1 run) | - | ≥ 10,000 | **missed** |" in text
    assert "ms max after 250 ↓ | - | 12 (1 run) | - | ≤ 50 | held |" in text


def test_nothing_is_left_out_silently(journal, keep, tmp_path):
    keep(Peer.label, 100.0, errors=2, expected=10, delivered=7)
    keep(Appliance.label, 50.0, noisy=True, last=False)
    keep(Appliance.label, 400.0)
    keep(Appliance.label, run=2, error="timed out")

    text = written(journal, tmp_path)

    assert "- SMTP to mailbox, 20 sessions, Postfix + Dovecot: 2 errors; 3 messages did not arrive in time." in text
    assert "1 disturbed runs left out; 1 attempts without a result (last: timed out)" in text


def test_a_row_measured_again_shows_the_new_figures_and_says_so(journal, keep, tmp_path):
    keep(Peer.label, 100.0)
    keep(Appliance.label, 100.0)
    keep(Peer.label, 110.0, generation=2)
    keep(Appliance.label, 550.0, generation=2)

    text = written(journal, tmp_path)

    assert "| 110 (1 run) | 550 (1 run) | 5.00× |" in text
    assert "- SMTP to mailbox, 20 sessions: measured again, 2 earlier results do not count." in text


def test_the_block_of_the_readme_is_replaced_and_nothing_else(journal, keep):
    keep(Peer.label, 100.0)
    keep(Appliance.label, 450.0)

    text = readme.replaced("before\n<!-- figures -->\nold\n<!-- /figures -->\nafter\n", readme.block(journal))

    assert text.startswith("before\n<!-- figures -->\n") and text.endswith("\n<!-- /figures -->\nafter\n")
    assert "| SMTP to mailbox, 20 clients, messages/s | 100 | 450 | 4.5× |" in text
    assert "old" not in text


def test_a_readme_without_marks_is_left_alone(journal):
    with pytest.raises(readme.MarksMissing):
        readme.replaced("no marks <!-- /figures --> <!-- figures -->", "x")


def test_the_readme_has_the_marks():
    assert readme.replaced(readme.README.read_text(), "x")


@pytest.fixture
def points(tmp_path: Path) -> Points:
    found = Points(tmp_path / "growth.jsonl")
    for size, rate in ((100, 500.0), (1000, 480.0), (10000, 300.0)):
        rounds = [{"relayed": rate - 10, "mailq": size / 10}, {"relayed": rate, "mailq": size / 10}]
        found.add("queue", size, FACTS, rounds=[*rounds, {"relayed": rate + 10, "mailq": size / 10}])
    return found


def test_a_curve_that_is_not_flat_is_called_so(points, tmp_path):
    text = growth_page.section(tmp_path / "growth.jsonl")

    assert "| relayed, messages/s ↑ | 500 | 480 | 300 | **not flat (+67%)** |" in text
    assert "+9900%; it prints every one of them" in text
    assert "0 of 1 figures that should be flat are." in text
    assert "![Deferred mail in the queue](plots/queue.svg)" in text


def test_a_size_that_failed_is_named_and_does_not_hide_what_was_measured(points, tmp_path):
    points.add("queue", 100_000, FACTS, error="the disk was full")
    points.add("queue", 100, FACTS, error="later")

    assert points.is_done("queue", 100) and not points.is_done("queue", 100_000)
    assert "100,000 recipients who wait: not measured (the disk was full)." in growth_page.section(
        tmp_path / "growth.jsonl"
    )


def test_plots_are_the_same_for_the_same_figures(points, tmp_path):
    [first] = plots.draw_all(tmp_path / "growth.jsonl", tmp_path / "one")
    [second] = plots.draw_all(tmp_path / "growth.jsonl", tmp_path / "two")

    assert first.name == "queue.svg"
    assert first.read_bytes() == second.read_bytes()
    assert b"relayed, messages/s" in first.read_bytes()


def test_every_line_of_the_results_is_json(journal, keep):
    keep(Peer.label, 1.0)

    assert all(json.loads(line) for line in journal.path.read_text().splitlines())


class Used:
    """A meter that has seen two seconds of CPU."""

    def stop(self):
        return {"server": {"cpu_user_s": 1.5, "cpu_sys_s": 0.5}}


def test_work_behind_the_last_message_is_counted_for_each_message():
    assert with_what_follows(Used(), {"delivered": 1000, "accepted": 10}) == {"cpu_s": 2.0, "cpu_ms_per_msg": 2.0}
    assert with_what_follows(Used(), {"held": 1000}) == {"cpu_s": 2.0}
