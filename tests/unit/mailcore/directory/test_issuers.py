"""Which tokens open, and which do not; how keys are learned, kept and renewed."""

import asyncio
import base64
import json
import time

import jwt
import pytest

from mailcore.clock import FakeClock
from mailcore.config.snapshot import OauthIssuer as Configured
from mailcore.directory.issuers import ASK_AGAIN_S, KEEP_S, Issuers
from mailcore.directory.jwks import parse_jwks
from mailcore.errors import AuthenticationFailed, DirectoryUnavailable
from tests.fakes.oauth_issuer import AUDIENCE, OauthIssuer


class Offload:
    async def plain(self, fn, *args):
        return await asyncio.to_thread(fn, *args)


@pytest.fixture(scope="module")
def issuer():
    made = OauthIssuer()
    made.add_key("one")
    made.add_key("curve", "ES256")
    yield made
    made.close()


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def door(issuer, clock):
    issuer.asked, issuer.broken, issuer.moved_to = 0, False, ""
    return Issuers(lambda: [Configured(issuer.url, AUDIENCE, issuer.jwks_url)], Offload(), clock)


def address(door, token):
    return asyncio.run(door.address_of(token))


def reason(door, token):
    with pytest.raises(AuthenticationFailed) as refused:
        address(door, token)
    return refused.value.reason


@pytest.mark.parametrize("kid", ["one", "curve"])
def test_a_token_says_whose_it_is(door, issuer, kid):
    assert address(door, issuer.token("Alice@Example.org", kid=kid)) == "alice@example.org"


def test_keys_are_fetched_once(door, issuer):
    for _ in range(5):
        address(door, issuer.token("alice@example.org"))

    assert issuer.asked == 1


def test_keys_that_were_given_need_no_fetching(issuer):
    door = Issuers(lambda: [Configured(issuer.url, AUDIENCE, jwks=issuer.jwks())], Offload())
    issuer.asked = 0

    assert address(door, issuer.token("alice@example.org")) == "alice@example.org"
    assert issuer.asked == 0


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": 1000}, "token expired"),
        ({"exp": None}, "token not valid"),
        ({"aud": "another"}, "token for another audience"),
        ({"aud": None}, "token not valid"),
        ({"iss": "https://evil.example"}, "unknown issuer of the token"),
        ({"iss": None}, "unknown issuer of the token"),
        ({"nbf": 9999999999}, "token not valid"),
        ({"email": None}, "no address in the token"),
        ({"email": 7}, "no address in the token"),
        ({"email": "nobody"}, "no address in the token"),
        ({"email_verified": False}, "no address in the token"),
    ],
)
def test_what_a_token_must_say(door, issuer, claims, why):
    assert reason(door, issuer.token("alice@example.org", **claims)) == why


def test_a_minute_of_wrong_clocks_is_forgiven(door, issuer):
    assert address(door, issuer.token("alice@example.org", exp=int(time.time()) - 30))
    assert reason(door, issuer.token("alice@example.org", exp=int(time.time()) - 90)) == "token expired"


def test_one_of_several_audiences_is_enough(door, issuer):
    assert address(door, issuer.token("alice@example.org", aud=["web", AUDIENCE]))


def test_a_signature_of_somebody_else_opens_nothing(door, issuer):
    other = OauthIssuer()
    other.add_key("one")
    forged = other.token("alice@example.org", iss=issuer.url)
    other.close()

    assert reason(door, forged) == "token not valid"


def test_the_key_says_the_algorithm_and_not_the_token(door, issuer):
    payload = issuer.token("alice@example.org").split(".")[1]
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "kid": "one"}).encode()).rstrip(b"=").decode()
    public = parse_jwks(issuer.jwks())[0].key
    claims = {"iss": issuer.url, "aud": AUDIENCE, "exp": int(time.time()) + 600, "email": "alice@example.org"}
    by_public_key = jwt.encode(claims, str(public.public_numbers().n).zfill(64), "HS256", {"kid": "one"})

    assert reason(door, f"{unsigned}.{payload}.") == "unknown key of the token"
    assert reason(door, by_public_key) == "unknown key of the token"
    assert reason(door, issuer.token("alice@example.org", kid="curve", headers={"kid": "one"})) == (
        "unknown key of the token"
    )


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "....", "ya29.opaque", "é.é.é", "e30.e30.", "W10.W10.W10"])
def test_what_is_no_token(door, token):
    assert reason(door, token) in ("not a token", "unknown issuer of the token")


def test_a_new_key_of_the_issuer_is_learned_but_not_asked_for_all_the_time(door, issuer, clock):
    address(door, issuer.token("alice@example.org"))
    issuer.add_key("two")
    clock.advance(ASK_AGAIN_S + 1)

    assert address(door, issuer.token("alice@example.org", kid="two"))
    clock.advance(ASK_AGAIN_S + 1)
    for _ in range(5):
        assert reason(door, issuer.token("a@b", headers={"kid": "x"})) == "unknown key of the token"
    assert issuer.asked == 3


def test_a_key_that_nobody_could_ask_for_is_not_the_clients_fault(door, issuer, clock):
    address(door, issuer.token("alice@example.org"))
    issuer.add_key("late")
    new = issuer.token("alice@example.org", kid="late")

    with pytest.raises(DirectoryUnavailable):  # the keys are of a moment ago, from before it
        address(door, new)

    clock.advance(ASK_AGAIN_S + 1)
    issuer.broken = True
    for _ in range(2):
        with pytest.raises(DirectoryUnavailable):
            address(door, new)
    assert address(door, issuer.token("alice@example.org"))

    issuer.broken = False
    clock.advance(ASK_AGAIN_S + 1)
    assert address(door, new)


def test_a_key_that_the_issuer_took_back_is_forgotten_within_the_hour(door, issuer, clock):
    issuer.add_key("leaked")
    token = issuer.token("alice@example.org", kid="leaked")
    assert address(door, token)
    del issuer.keys["leaked"]
    clock.advance(KEEP_S + 1)

    assert reason(door, token) == "unknown key of the token"


def test_an_issuer_that_is_away_is_not_the_clients_fault(door, issuer, clock):
    issuer.broken = True
    token = issuer.token("alice@example.org")

    for _ in range(2):
        with pytest.raises(DirectoryUnavailable):
            address(door, token)
    assert issuer.asked == 1

    issuer.broken = False
    clock.advance(ASK_AGAIN_S + 1)
    assert address(door, token)


def test_keys_are_taken_from_nowhere_else(door, issuer):
    """From https into the clear, or to a service of this machine: whoever hands out keys can be anybody."""
    issuer.moved_to = f"{issuer.url}/elsewhere"

    with pytest.raises(DirectoryUnavailable, match="302"):
        address(door, issuer.token("alice@example.org"))
    assert issuer.asked == 1


def test_known_keys_go_on_while_the_issuer_is_away(door, issuer, clock):
    token = issuer.token("alice@example.org")
    address(door, token)
    issuer.broken = True
    clock.advance(KEEP_S + 1)

    assert address(door, token) == "alice@example.org"


def test_logins_at_once_fetch_once(door, issuer):
    async def several():
        token = issuer.token("alice@example.org")
        return await asyncio.gather(*(door.address_of(token) for _ in range(10)))

    assert asyncio.run(several()) == ["alice@example.org"] * 10
    assert issuer.asked == 1


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"keys": 1}', "[" * 100_000])
def test_what_is_no_set_of_keys(text):
    with pytest.raises(ValueError, match=r"."):
        parse_jwks(text)


def test_keys_that_are_of_no_use_are_passed_over(issuer):
    good = json.loads(issuer.jwks())["keys"][0]
    others = [
        {}, {"kty": "oct", "k": "c2VjcmV0"}, {**good, "use": "enc"}, {**good, "alg": "RS512"}, {**good, "n": "!"},
        {"kty": "EC", "crv": "P-384", "x": "", "y": ""}, {**good, "d": "AQAB"}, 7,
    ]  # fmt: skip

    assert len(parse_jwks(json.dumps({"keys": [*others, good]}))) == 1
