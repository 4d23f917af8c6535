"""Looking names up: once per address, bounded in time and in number, and never an error."""

import asyncio

import pytest

from mailcore.clock import FakeClock
from smtpd.client_names import ClientNames, Found

CLIENT, OTHER, THIRD = "8.8.8.8", "9.9.9.9", "1.1.1.1"


class FakeDns:
    """Answers when told to."""

    def __init__(self):
        self.asked = []
        self.answers = {}
        self.error = None

    async def __call__(self, address):
        self.asked.append(address)
        if self.error is not None:
            raise self.error
        return await self.answers.setdefault(address, asyncio.get_running_loop().create_future())

    def answer(self, address, name="mail.example.org", kept_s=300.0):
        self.answers[address].set_result(Found(name, kept_s))


@pytest.fixture
def dns():
    return FakeDns()


@pytest.fixture
def clock():
    return FakeClock()


async def turns():
    for _ in range(5):
        await asyncio.sleep(0)


async def look_up(names, dns, address=CLIENT, name="mail.example.org", kept_s=300.0):
    finding = names.find(address)
    await turns()
    dns.answer(address, name, kept_s)
    return await finding


def test_this_machine_is_known_without_a_question(dns, clock):
    names = ClientNames(dns, clock)

    assert names.known("127.0.0.1") == "localhost"
    assert names.known("192.168.1.1") == "unknown"
    assert dns.asked == []


def test_with_a_name_server_of_ones_own_private_addresses_are_looked_up(dns, clock):
    assert ClientNames(dns, clock, asks_for_private=True).known("192.168.1.1") is None


def test_a_name_is_known_until_its_time_is_over(dns, clock):
    async def session():
        names = ClientNames(dns, clock)
        assert names.known(CLIENT) is None
        assert await look_up(names, dns) == "mail.example.org"

        clock.advance(299)
        assert names.known(CLIENT) == "mail.example.org"
        clock.advance(1)
        assert names.known(CLIENT) is None

    asyncio.run(session())


def test_clients_of_one_address_share_a_question(dns, clock):
    async def session():
        names = ClientNames(dns, clock)
        first, second = names.find(CLIENT), names.find(CLIENT)
        await turns()
        dns.answer(CLIENT)

        assert (await first, await second) == ("mail.example.org", "mail.example.org")

    asyncio.run(session())
    assert dns.asked == [CLIENT]


def test_a_session_that_ends_does_not_end_the_question_of_another(dns, clock):
    async def session():
        names = ClientNames(dns, clock)
        first, second = names.find(CLIENT), names.find(CLIENT)
        await turns()
        first.cancel()
        await turns()
        dns.answer(CLIENT)

        assert await second == "mail.example.org"

    asyncio.run(session())


def test_nobody_waits_long_and_a_late_answer_serves_the_next_client(dns, clock):
    async def session():
        names = ClientNames(dns, clock, wait_s=0.0)
        assert await names.find(CLIENT) == "unknown"
        assert names.known(CLIENT) is None

        dns.answer(CLIENT)
        await turns()

        assert names.known(CLIENT) == "mail.example.org"

    asyncio.run(session())


def test_an_error_is_no_name_and_not_tried_again_at_once(dns, clock):
    dns.error = RuntimeError("not foreseen")

    async def session():
        names = ClientNames(dns, clock)
        assert await names.find(CLIENT) == "unknown"
        assert names.known(CLIENT) == "unknown"
        clock.advance(60)
        assert names.known(CLIENT) is None

    asyncio.run(session())


def test_too_many_questions_at_a_time_are_not_asked(dns, clock):
    async def session():
        names = ClientNames(dns, clock, most_questions=2)
        first, second = names.find(CLIENT), names.find(OTHER)
        await turns()
        assert await names.find(THIRD) == "unknown"
        assert names.known(THIRD) is None

        dns.answer(CLIENT)
        dns.answer(OTHER)
        await asyncio.gather(first, second)
        assert await look_up(names, dns, THIRD, "third.example.org") == "third.example.org"

    asyncio.run(session())


def test_the_names_of_the_latest_clients_are_kept(dns, clock):
    async def session():
        names = ClientNames(dns, clock, most_names=2)
        await look_up(names, dns, CLIENT)
        await look_up(names, dns, OTHER)
        assert names.known(CLIENT) is not None
        await look_up(names, dns, THIRD)

        assert [names.known(address) is not None for address in (CLIENT, OTHER, THIRD)] == [True, False, True]

    asyncio.run(session())


def test_the_end_of_the_server_is_the_end_of_all_questions(dns, clock):
    async def session():
        names = ClientNames(dns, clock)
        finding = names.find(CLIENT)
        await turns()

        await names.close()

        assert finding.done() and await finding == "unknown"
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(session())
