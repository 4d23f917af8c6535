"""One door for all protocols."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password

from mailcore.clock import FakeClock
from mailcore.directory.authenticate import MAX_FAILURES, REMEMBER_S, WINDOW_S, Authenticator
from mailcore.directory.lookups import AccountRecord
from mailcore.directory.memory import MemoryDirectory
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled
from mailcore.identity import AccountRef

STORED = make_password("secret", hasher="argon2")


class CountingOffload:
    """Runs at once, and counts."""

    def __init__(self) -> None:
        self.calls = 0

    async def plain(self, fn: Callable[..., Any], *args: Any) -> Any:
        self.calls += 1
        return fn(*args)


@pytest.fixture
def offload() -> CountingOffload:
    return CountingOffload()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def directory() -> MemoryDirectory:
    alice = AccountRecord(AccountRef(1, "alice@example.org"), STORED, allow_pop3=False)
    return MemoryDirectory([alice, AccountRecord(AccountRef(2, "gone@example.org"), STORED, enabled=False)])


@pytest.fixture
def door(directory: MemoryDirectory, offload: CountingOffload, clock: FakeClock) -> Authenticator:
    return Authenticator(directory, offload, clock)  # type: ignore[arg-type]


def check(door: Authenticator, login: str, password: str, protocol: str = "imap", ip: str = "192.0.2.1") -> str:
    return asyncio.run(door.check(login, password, protocol=protocol, client_ip=ip)).address


def test_the_right_password_opens(door):
    assert check(door, " Alice@Example.org ", "secret") == "alice@example.org"


@pytest.mark.parametrize(
    ("login", "password", "protocol"),
    [
        ("alice@example.org", "wrong", "imap"),
        ("alice@example.org", "secret", "pop3"),
        ("nobody@example.org", "secret", "imap"),
        ("gone@example.org", "secret", "imap"),
        ("alice@example.org", "s" * 5000, "imap"),
    ],
)
def test_everything_else_does_not(door, login, password, protocol):
    with pytest.raises(AuthenticationFailed):
        check(door, login, password, protocol)


def test_a_success_is_remembered_for_a_minute(door, offload, clock):
    check(door, "alice@example.org", "secret")
    check(door, "alice@example.org", "secret")

    assert offload.calls == 1

    clock.advance(REMEMBER_S + 1)
    check(door, "alice@example.org", "secret")

    assert offload.calls == 2


def test_a_changed_password_is_not_the_remembered_one(door, directory):
    check(door, "alice@example.org", "secret")
    directory.accounts["alice@example.org"] = AccountRecord(
        AccountRef(1, "alice@example.org"), make_password("new", hasher="argon2")
    )

    with pytest.raises(AuthenticationFailed):
        check(door, "alice@example.org", "secret")


def test_guessing_is_throttled_by_client_and_not_by_account(door, clock):
    # Over-long passwords fail without the cost of a hash.
    for _ in range(MAX_FAILURES):
        with pytest.raises(AuthenticationFailed):
            check(door, "alice@example.org", "x" * 2000, ip="198.51.100.9")

    with pytest.raises(AuthenticationThrottled):
        check(door, "alice@example.org", "secret", ip="198.51.100.9")
    assert check(door, "alice@example.org", "secret", ip="192.0.2.1") == "alice@example.org"

    clock.advance(WINDOW_S + REMEMBER_S + 1)
    assert check(door, "alice@example.org", "secret", ip="198.51.100.9") == "alice@example.org"


def test_equal_logins_at_once_cost_one_hash(door, offload):
    async def several() -> list[str]:
        checks = [door.check("alice@example.org", "secret", protocol="imap", client_ip="192.0.2.1") for _ in range(20)]
        return [account.address for account in await asyncio.gather(*checks)]

    assert asyncio.run(several()) == ["alice@example.org"] * 20
    assert offload.calls == 1
