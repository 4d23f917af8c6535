"""The arithmetic of docs/scaling.md, and that it finds the figures it reckons with."""

import json
from dataclasses import replace

import pytest

from tests.bench.capacity import (
    BENCHMARKS,
    FOOTPRINT,
    NEEDED,
    SCALING,
    Habits,
    Measured,
    Need,
    between,
    figures,
    measured,
    tables,
    text_of,
)

NODE = Measured(
    deliveries_s=500,
    delivery_cpu_ms=2,
    relayed_s=250,
    logins_s=1000,
    connection_kib=16,
    index_bytes=1000,
    search_bytes=24,
    trace_bytes=512,
    wal_bytes=4096,
    wal_flushes=0.1,
)
HABITS = Habits(
    received_a_day=43.2, sent_a_day=8.64, peak=2, connections=0.5, login_every_s=1000, kept_messages=2**20, used=0.5
)
PAGE = """
| What | Figure | Postfix + Dovecot | Mailkeep | Ratio |
|---|---|---:|---:|---:|
| SMTP to mailbox, 20 sessions<br>`load.py e2e` | msg/s ↑ | 273 (1 run) | **1,620.5** (1,600 to 1,700, 3 runs) | 5.9 |
|  | CPU ms/msg ↓ | 6.4 | 1.25 | 0.2 |
| nothing | msg/s | 5 | - | |

| What | Figure | Postfix + Dovecot | Mailkeep |
|---|---|---:|---:|
| SMTP to mailbox, 20 sessions | msg/s | 1 | 2 |

| Another | table |
|---|---|
| SMTP | 7 |
"""


def test_figures_are_found_by_row_and_figure():
    assert figures(PAGE) == {
        ("SMTP to mailbox, 20 sessions", "msg/s"): 1620.5,
        ("SMTP to mailbox, 20 sessions", "CPU ms/msg"): 1.25,
    }


def test_the_page_of_the_benchmarks_has_every_figure_that_is_needed():
    found = figures(BENCHMARKS.read_text())

    assert [name for name in NEEDED if not found.get(name)] == []


def test_what_accounts_need_follows_from_what_a_node_does():
    need = Need(1_000_000, HABITS, NODE)

    assert need.deliveries_s == pytest.approx(1000)
    assert need.sent_s == pytest.approx(200)
    assert need.connections == 500_000
    assert need.logins_s == pytest.approx(500)
    assert need.shares == {"delivery": pytest.approx(4), "relay": pytest.approx(1.6), "login": pytest.approx(1)}
    assert need.nodes == 7
    assert need.delivery_cores == pytest.approx(2)
    assert need.connection_gib == pytest.approx(500_000 * 16 / 2**20)
    assert need.index_gib == pytest.approx(1_000_000)
    assert need.wal_gib_a_day == pytest.approx(1_000_000 * 43.2 * 4 / 2**20)
    assert need.wal_flushes_s == pytest.approx(100)


def test_there_are_always_two_nodes():
    assert Need(10, HABITS, NODE).nodes == 2


def test_a_busier_day_needs_more():
    calm, busy = Need(10**6, HABITS, NODE), Need(10**6, replace(HABITS, peak=4), NODE)

    assert busy.nodes > calm.nodes
    assert busy.mail_tib == calm.mail_tib


@pytest.mark.parametrize(("value", "text"), [(0.1234, "0.12"), (7, "7"), (23.4, "23"), (1736, "1,700"), (123, "120")])
def test_figures_are_as_exact_as_they_can_be(value, text):
    assert text_of(value) == text


def test_the_tables_come_between_the_markers():
    assert between("a\n<!-- capacity -->\nold\n<!-- end of capacity -->\nb", "new") == (
        "a\n<!-- capacity -->\nnew\n\n<!-- end of capacity -->\nb"
    )
    with pytest.raises(ValueError, match="markers"):
        between("a", "new")


def test_the_tables_of_the_page_can_be_written_anew():
    footprint = json.loads(FOOTPRINT.read_text())

    text = tables(measured(BENCHMARKS.read_text(), footprint), footprint, Habits())

    page = SCALING.read_text()
    assert between(page, text).count("\n") == page.count("\n")
