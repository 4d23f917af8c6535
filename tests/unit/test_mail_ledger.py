"""The count behind the fault runs: what is lost, damaged or there twice is seen, and whose doing it is."""

from __future__ import annotations

import random

import pytest

from tests.fakes.mail_ledger import Attempt, Ledger

TO = ("bob@b.example",)
TRACE = b"Return-Path: <a@b>\r\nReceived: from x\r\n"


@pytest.fixture
def ledger() -> Ledger:
    return Ledger(random.Random(1))


def sent(ledger: Ledger, attempt: Attempt, *, acknowledged: bool = True) -> tuple[str, bytes]:
    """An attempt, and the copy that its recipient has of it."""
    text = ledger.write(attempt, "alice@a.example", TO)
    if acknowledged:
        ledger.acknowledge(attempt)
    return TO[0], TRACE + text


def test_what_is_there_once_and_whole_is_well(ledger):
    verdict = ledger.judge([sent(ledger, (1, 1)), sent(ledger, (2, 1))])

    assert (verdict.numbers, verdict.lost, verdict.damaged) == (2, [], 0)
    assert (verdict.made_by_server, verdict.made_by_client) == (0, 0)


def test_an_acknowledged_message_that_is_nowhere_is_lost(ledger):
    copies = [sent(ledger, (1, 1))]
    sent(ledger, (2, 1))

    assert ledger.judge(copies).lost == [(2, 1)]


def test_it_is_not_replaced_by_an_attempt_nobody_acknowledged(ledger):
    copies = [sent(ledger, (1, 1), acknowledged=False)]
    sent(ledger, (1, 2))

    assert ledger.judge(copies).lost == [(1, 2)]


def test_nobody_was_promised_an_attempt_without_an_answer(ledger):
    sent(ledger, (1, 1), acknowledged=False)

    assert ledger.judge([sent(ledger, (1, 2))]).lost == []


def test_the_same_attempt_twice_is_the_servers_doing(ledger):
    copy = sent(ledger, (1, 1))

    verdict = ledger.judge([copy, copy])

    assert (verdict.made_by_server, verdict.made_by_client) == (1, 0)


def test_two_attempts_of_one_number_are_the_clients_doing(ledger):
    verdict = ledger.judge([sent(ledger, (1, 1), acknowledged=False), sent(ledger, (1, 2))])

    assert (verdict.made_by_server, verdict.made_by_client) == (0, 1)


@pytest.mark.parametrize(
    "change", [lambda text: text[:-5], lambda text: text + b"\r\n", lambda text: text[:-3] + b"D\r\n"]
)
def test_one_octet_is_damage_and_the_message_is_lost(ledger, change):
    to, text = sent(ledger, (1, 1))

    verdict = ledger.judge([(to, change(text))])

    assert (verdict.damaged, verdict.lost) == (1, [(1, 1)])


def test_a_message_that_nobody_sent_is_damage(ledger):
    assert ledger.judge([(TO[0], b"Subject: who?\r\n\r\n"), (TO[0], b"X-Numbered: 9-9\r\n")]).damaged == 2
