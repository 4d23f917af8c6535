"""Logins are collected, and written once in a while: one write a minute for each account and protocol."""

import asyncio

import psycopg
import pytest

from mailcore.clock import FakeClock
from mailcore.directory import written_later
from mailcore.directory.last_logins import AGAIN_AFTER_S, LastLogins


class Offload:
    """Takes statements instead of a database."""

    def __init__(self):
        self.written, self.failure = [], None

    async def __call__(self, function, *args):
        if self.failure:
            raise self.failure
        function(self, *args)

    def execute(self, _statement, values):
        self.written.append(list(zip(values["ids"], values["protocols"], values["addresses"], strict=True)))


@pytest.fixture
def offload():
    return Offload()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def logins(offload, clock):
    return LastLogins(offload, clock)


def note(logins, *noted):
    async def run():
        for each in noted:
            logins.note(*each)
        await logins.flush()

    asyncio.run(run())


def test_all_that_came_are_written_in_one_statement(logins, offload):
    note(logins, (1, "imap", "192.0.2.1"), (1, "smtp", "192.0.2.2"), (2, "imap", "::ffff:192.0.2.3"))

    assert offload.written == [[(1, "imap", "192.0.2.1"), (1, "smtp", "192.0.2.2"), (2, "imap", "192.0.2.3")]]


def test_who_comes_again_and_again_is_written_once_a_minute(logins, offload, clock):
    note(logins, (1, "imap", "192.0.2.1"), (1, "imap", "192.0.2.2"))
    clock.advance(AGAIN_AFTER_S - 1)
    note(logins, (1, "imap", "192.0.2.3"))
    clock.advance(1)
    note(logins, (1, "imap", "192.0.2.4"))

    assert offload.written == [[(1, "imap", "192.0.2.1")], [(1, "imap", "192.0.2.4")]]


def test_what_could_not_be_written_is_tried_with_the_next_login(logins, offload):
    offload.failure = psycopg.OperationalError("away")
    note(logins, (1, "imap", "192.0.2.1"))
    offload.failure = None
    note(logins, (1, "imap", "192.0.2.2"))

    assert offload.written == [[(1, "imap", "192.0.2.2")]]


def test_no_address_is_no_statement(logins, offload):
    note(logins, (1, "imap", ""))

    assert offload.written == []


def test_it_is_written_by_itself_and_nothing_runs_after_that(logins, offload, monkeypatch):
    monkeypatch.setattr(written_later, "WRITE_AFTER_S", 0.0)

    async def run():
        logins.note(1, "imap", "192.0.2.1")
        (writer,) = asyncio.all_tasks() - {asyncio.current_task()}
        await writer
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(run())

    assert offload.written == [[(1, "imap", "192.0.2.1")]]


def test_a_minute_later_nothing_is_remembered(logins, clock):
    note(logins, *((account, "imap", "192.0.2.1") for account in range(100)))
    clock.advance(AGAIN_AFTER_S)

    note(logins, (7, "pop3", "192.0.2.1"))

    assert logins._again_at.keys() == {(7, "pop3")}
