"""One door for all protocols."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.contrib.auth.hashers import make_password

from mailcore.clock import FakeClock
from mailcore.config.loader import networks
from mailcore.directory.authenticate import Authenticator
from mailcore.directory.credentials import AppPasswordRecord, Credentials, digest_of, new_secret
from mailcore.directory.known_passwords import REMEMBER_S
from mailcore.directory.lookups import AccountRecord
from mailcore.directory.memory import MemoryDirectory
from mailcore.directory.passwords import check_password
from mailcore.errors import AuthenticationFailed, AuthenticationThrottled, DirectoryUnavailable
from mailcore.identity import AccountRef
from mailcore.sasl.scram import keys_of
from mailcore.throttle.failures import WINDOW_S
from mailcore.throttle.throttle import Throttle

MAX_FAILURES = 20
SECRET = new_secret()
SALT = b"0123456789abcdef"
OWN_KEYS, APP_KEYS = keys_of("secret", SALT, 4096), keys_of(SECRET, SALT, 4096)
STORED = make_password("secret", hasher="argon2")


class CountingOffload:
    """Runs at once, and counts the hashes among all else."""

    def __init__(self) -> None:
        self.calls = self.hashes = 0

    async def plain(self, fn: Callable[..., Any], *args: Any) -> Any:
        self.calls += 1
        self.hashes += fn is check_password
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
    throttle = Throttle(None, lambda: MAX_FAILURES, clock)
    return Authenticator(directory, offload, clock, throttle=throttle)  # type: ignore[arg-type]


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
        ("alice@example.org", "sec\0ret", "imap"),
    ],
)
def test_everything_else_does_not(door, login, password, protocol):
    with pytest.raises(AuthenticationFailed):
        check(door, login, password, protocol)


def test_a_success_is_remembered_for_an_hour_and_then_costs_no_io(door, offload, clock):
    check(door, "alice@example.org", "secret")
    before = offload.calls
    check(door, "alice@example.org", "secret")

    assert (offload.hashes, offload.calls) == (1, before)

    clock.advance(REMEMBER_S + 1)
    check(door, "alice@example.org", "secret")

    assert offload.hashes == 2


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


def test_a_name_that_no_database_can_be_asked_for_is_a_failure_of_the_clients(door, directory, monkeypatch):
    def entry(key: str) -> None:
        raise DirectoryUnavailable("PostgreSQL text fields cannot contain NUL")

    monkeypatch.setattr(directory, "cached", lambda key: None)
    monkeypatch.setattr(directory, "entry", entry)

    for _ in range(MAX_FAILURES):
        with pytest.raises(AuthenticationFailed):
            check(door, "alice\0@example.org", "secret")
    with pytest.raises(AuthenticationThrottled):
        check(door, "alice\0@example.org", "secret")
    assert asyncio.run(door.keys("alice\0")).keys == ()


def test_equal_logins_at_once_cost_one_hash(door, offload):
    async def several() -> list[str]:
        checks = [door.check("alice@example.org", "secret", protocol="imap", client_ip="192.0.2.1") for _ in range(20)]
        return [account.address for account in await asyncio.gather(*checks)]

    assert asyncio.run(several()) == ["alice@example.org"] * 20
    assert offload.hashes == 1


def test_who_was_right_from_there_lately_gets_in_while_others_guess(door):
    check(door, "alice@example.org", "secret", ip="198.51.100.9")
    for number in range(MAX_FAILURES):
        with pytest.raises((AuthenticationFailed, AuthenticationThrottled)):
            check(door, f"name{number}@example.org", "x" * 2000, ip="198.51.100.7")

    with pytest.raises(AuthenticationThrottled):
        check(door, "bob@example.org", "x", ip="198.51.100.9")
    assert check(door, "alice@example.org", "secret", ip="198.51.100.8") == "alice@example.org"


def test_who_guesses_does_not_learn_the_password_of_who_is_remembered(door):
    """Clients log in every minute, so somebody's password is always known: a way past the throttle for who tries."""
    check(door, "alice@example.org", "secret", ip="192.0.2.1")
    for _ in range(MAX_FAILURES + 1):
        with pytest.raises((AuthenticationFailed, AuthenticationThrottled)):
            check(door, "alice@example.org", "x" * 2000, ip="198.51.100.9")

    with pytest.raises(AuthenticationThrottled):
        check(door, "alice@example.org", "secret", ip="198.51.100.9")
    assert check(door, "alice@example.org", "secret", ip="192.0.2.1") == "alice@example.org"


class SlowHashes(CountingOffload):
    """A hash takes longer than the note of a failure, as it does."""

    async def plain(self, fn: Callable[..., Any], *args: Any) -> Any:
        for _ in range(20 if fn is check_password else 1):
            await asyncio.sleep(0)
        return fn is not check_password and fn(*args)


def test_guesses_that_come_at_once_are_throttled_too(directory, clock):
    throttle = Throttle(None, lambda: MAX_FAILURES, clock)
    door = Authenticator(directory, SlowHashes(), clock, throttle=throttle)  # type: ignore[arg-type]

    async def guess(number: int) -> str:
        try:
            await door.check("alice@example.org", f"guess{number}", protocol="imap", client_ip="198.51.100.9")
        except AuthenticationThrottled:
            return "throttled"
        except AuthenticationFailed:
            return "failed"
        return "right"

    async def several() -> list[str]:
        return await asyncio.gather(*(guess(number) for number in range(3 * MAX_FAILURES)))

    answers = asyncio.run(several())
    assert MAX_FAILURES <= answers.count("failed") <= MAX_FAILURES + 2
    assert set(answers) == {"failed", "throttled"}


# App passwords, networks, SCRAM.


class Uses:
    def __init__(self):
        self.noted = []

    def note(self, app_password_id, client_ip):
        self.noted.append((app_password_id, client_ip))


def with_credentials(directory, **changes):
    """alice's account with one app password for IMAP."""
    phone = AppPasswordRecord(7, digest_of(SECRET), APP_KEYS, frozenset({"imap"}))
    given = {"salt": SALT, "iterations": 4096, "own_keys": OWN_KEYS, "app_passwords": (phone,), **changes}
    directory.credentials_of[1] = Credentials(**given)
    return phone


def reason(door, *args, **kwargs):
    with pytest.raises(AuthenticationFailed) as refused:
        check(door, *args, **kwargs)
    return refused.value.reason


def test_an_app_password_opens_without_a_hash_and_without_io(directory, offload, clock):
    with_credentials(directory)
    uses = Uses()
    door = Authenticator(directory, offload, clock, uses=uses)

    assert check(door, "alice@example.org", SECRET) == "alice@example.org"
    assert offload.calls == 0
    assert uses.noted == [(7, "192.0.2.1")]


class Logins:
    """Stands in for LastLogins."""

    def __init__(self):
        self.noted = []

    def note(self, account_id, protocol, client_ip):
        self.noted.append((account_id, protocol, client_ip))


def test_each_login_is_noted_without_io_and_no_failure(directory, offload, clock):
    with_credentials(directory)
    logins = Logins()
    door = Authenticator(directory, offload, clock, logins=logins)
    check(door, "alice@example.org", "secret", "smtp")
    before = offload.calls

    check(door, "alice@example.org", "secret", "smtp", "192.0.2.2")
    assert offload.calls == before
    check(door, "alice@example.org", SECRET)
    reason(door, "alice@example.org", "wrong")
    reason(door, "alice@example.org", "secret", "pop3")
    reason(door, "gone@example.org", "secret")

    assert logins.noted == [(1, "smtp", "192.0.2.1"), (1, "smtp", "192.0.2.2"), (1, "imap", "192.0.2.1")]


def test_a_login_says_by_which_app_password_it_was(door, directory):
    with_credentials(directory)

    account = asyncio.run(door.check("alice@example.org", SECRET, protocol="imap", client_ip="192.0.2.1"))

    assert account.app_password_id == 7


def test_a_revoked_app_password_is_wrong_at_once_and_costs_no_hash(door, directory, offload):
    with_credentials(directory)
    check(door, "alice@example.org", SECRET)
    with_credentials(directory, app_passwords=())

    assert reason(door, "alice@example.org", SECRET) == "wrong password"
    assert offload.hashes == 0


def test_guessed_app_passwords_count_as_failures(door, directory):
    with_credentials(directory)
    for _ in range(MAX_FAILURES):
        reason(door, "alice@example.org", new_secret())

    with pytest.raises(AuthenticationThrottled):
        check(door, "alice@example.org", new_secret())
    assert check(door, "alice@example.org", SECRET) == "alice@example.org"


@pytest.mark.parametrize(
    ("changes", "password", "ip", "why"),
    [
        ({"networks": networks(["192.0.2.0/24"])}, "secret", "198.51.100.9", "network not allowed"),
        ({"networks": networks(["192.0.2.0/24"])}, SECRET, "198.51.100.9", "network not allowed"),
        ({"app_passwords_only": True}, "secret", "192.0.2.1", "only app passwords"),
    ],
    # A new app password each time has no place in the name of a test: xdist compares them.
    ids=["other network", "other network, app password", "own password where only app passwords may"],
)
def test_a_right_password_that_may_not_be_used_here(door, directory, changes, password, ip, why):
    with_credentials(directory, **changes)

    assert reason(door, "alice@example.org", password, ip=ip) == why


def test_a_remembered_password_is_still_asked_from_where_it_comes(door, directory):
    with_credentials(directory, networks=networks(["192.0.2.0/24"]))
    check(door, "alice@example.org", "secret")

    assert reason(door, "alice@example.org", "secret", ip="198.51.100.9") == "network not allowed"


def test_an_app_password_has_protocols_and_networks_of_its_own(door, directory):
    directory.accounts["alice@example.org"] = AccountRecord(AccountRef(1, "alice@example.org"), STORED)
    phone = with_credentials(directory)
    assert reason(door, "alice@example.org", SECRET, "smtp") == "protocol not allowed for the app password"

    with_credentials(directory, app_passwords=(replace(phone, networks=networks(["2001:db8::/32"])),))
    assert reason(door, "alice@example.org", SECRET) == "network not allowed for the app password"
    assert check(door, "alice@example.org", SECRET, ip="2001:db8::1") == "alice@example.org"


def test_the_trace_learns_which_check_failed(door):
    assert reason(door, "nobody@example.org", "secret") == "unknown name"
    assert reason(door, "alice@example.org", "x") == "wrong password"
    assert reason(door, "gone@example.org", "secret") == "account disabled"
    assert reason(door, "alice@example.org", "secret", "pop3") == "protocol not allowed"


def proof(door, login, keys, ip="192.0.2.1"):
    return asyncio.run(door.check_proof(login, keys, protocol="imap", client_ip=ip))


def test_scram_knows_the_keys_of_the_password_and_of_the_app_passwords(door, directory):
    with_credentials(directory)

    found = asyncio.run(door.keys(" Alice@example.org"))

    assert (found.salt, found.iterations, found.keys) == (SALT, 4096, (OWN_KEYS, APP_KEYS))
    assert proof(door, "alice@example.org", OWN_KEYS).app_password_id is None
    assert proof(door, "alice@example.org", APP_KEYS).app_password_id == 7


def test_a_name_that_does_not_exist_has_a_salt_of_its_own_which_stays(door, directory):
    one, again, other = (
        asyncio.run(door.keys(name)) for name in ("no@example.org", "no@example.org", "one@example.org")
    )

    assert one == again
    assert len(one.salt) == len(SALT)
    assert one.salt != other.salt
    assert one.keys == ()
    assert asyncio.run(door.keys("alice@example.org")).keys == ()  # exists, but has no verifier yet


def test_wrong_proofs_are_throttled_and_a_permission_is_asked_for(door, directory):
    with_credentials(directory, app_passwords_only=True)
    with pytest.raises(AuthenticationFailed, match="only app passwords"):
        proof(door, "alice@example.org", OWN_KEYS)
    for _ in range(MAX_FAILURES):
        with pytest.raises(AuthenticationFailed):
            proof(door, "alice@example.org", None, ip="198.51.100.9")

    with pytest.raises(AuthenticationThrottled):
        proof(door, "alice@example.org", APP_KEYS, ip="198.51.100.9")
    assert proof(door, "alice@example.org", APP_KEYS)


def test_a_key_that_was_revoked_between_question_and_proof_opens_nothing(door, directory):
    with_credentials(directory, app_passwords=())

    with pytest.raises(AuthenticationFailed):
        proof(door, "alice@example.org", APP_KEYS)


# What becomes of who has logged in.


def objection(door, account, protocol="smtp", ip="192.0.2.1"):
    return asyncio.run(door.objection(account, protocol=protocol, client_ip=ip))


def logged_in(door, password="secret"):
    return asyncio.run(door.check("alice@example.org", password, protocol="imap", client_ip="192.0.2.1"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, ""),
        ({"display_name": "Alice", "used_bytes": 7}, ""),
        ({"enabled": False}, "account disabled"),
        ({"allow_smtp": False}, "protocol not allowed"),
        ({"allow_imap": False}, ""),
        ({"password": make_password("new", hasher="argon2")}, "password changed"),
        ({"ref": AccountRef(3, "alice@example.org")}, "account deleted"),
    ],
    # Each hash has a salt of its own: no name of a test.
    ids=["nothing", "what does not matter", "disabled", "protocol", "another protocol", "password", "another account"],
)
def test_a_session_may_go_on_or_not_after_its_account_has_changed(door, directory, changes, why):
    with_credentials(directory)
    account = logged_in(door)
    directory.accounts["alice@example.org"] = replace(directory.accounts["alice@example.org"], **changes)

    assert objection(door, account) == why


def test_no_session_of_an_account_that_is_gone_may_go_on(door, directory):
    account = logged_in(door)
    del directory.accounts["alice@example.org"]

    assert objection(door, account) == "account deleted"


@pytest.mark.parametrize(
    ("changes", "own", "by_app_password"),
    [
        ({"networks": networks(["192.0.2.0/24"])}, "", ""),
        ({"networks": networks(["198.51.100.0/24"])}, "network not allowed", "network not allowed"),
        ({"app_passwords": ()}, "", "app password revoked"),
        ({"app_passwords_only": True}, "only app passwords", ""),
    ],
    ids=["inside", "outside", "revoked", "only app passwords"],
)
def test_it_depends_on_what_a_session_was_opened_with(door, directory, changes, own, by_app_password):
    with_credentials(directory)
    one, other = logged_in(door), logged_in(door, SECRET)
    with_credentials(directory, **changes)

    assert (objection(door, one, "imap"), objection(door, other, "imap")) == (own, by_app_password)


def test_a_changed_password_says_nothing_of_who_came_with_an_app_password(door, directory):
    with_credentials(directory)
    account = logged_in(door, SECRET)
    directory.accounts["alice@example.org"] = replace(directory.accounts["alice@example.org"], password="another")

    assert objection(door, account, "imap") == ""


def test_who_may_go_on_costs_no_io_and_is_no_login(directory, offload, clock):
    with_credentials(directory)
    logins, uses = Logins(), Uses()
    door = Authenticator(directory, offload, clock, logins=logins, uses=uses)
    account = logged_in(door, SECRET)
    calls = offload.calls

    assert objection(door, account, "imap") == ""
    assert (offload.calls, len(logins.noted), len(uses.noted)) == (calls, 1, 1)
