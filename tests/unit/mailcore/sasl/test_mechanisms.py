"""PLAIN, LOGIN, OAUTHBEARER and XOAUTH2, step by step, and what is offered where."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailcore.errors import AuthenticationFailed, DirectoryUnavailable
from mailcore.sasl.conversation import (
    Challenge,
    FindKeys,
    KeySet,
    PasswordClaim,
    ProofClaim,
    SaslSyntaxError,
    TokenClaim,
)
from mailcore.sasl.mechanisms import MECHANISMS, conversation, offered

# RFC 7628 section 4.1 and Google's description of XOAUTH2.
BEARER = (
    b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01"
    b"auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29t\x01\x01"
)
X = b"user=someuser@example.com\x01auth=Bearer ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg\x01\x01"


@pytest.mark.parametrize("initial", [True, False])
def test_plain_with_and_without_initial_response(initial):
    said = b"tim\0tim\0tanstaaftanstaaf"  # RFC 4616 section 4, with the same name twice
    talk = conversation("PLAIN", said if initial else None, None)

    claim = next(talk)
    if not initial:
        assert claim == Challenge(b"")
        claim = talk.send(said)

    assert claim == PasswordClaim("tim", "tanstaaftanstaaf")
    with pytest.raises(StopIteration):
        talk.send(None)


def test_login_asks_twice_or_once():
    talk = conversation("LOGIN", None, None)
    assert next(talk) == Challenge(b"Username:")
    assert talk.send("müller@example.org".encode()) == Challenge(b"Password:")
    assert talk.send("gänseblümchen".encode()) == PasswordClaim("müller@example.org", "gänseblümchen")

    assert next(conversation("LOGIN", b"name", None)) == Challenge(b"Password:")


@pytest.mark.parametrize("said", [b"", b"a\0b", b"a\0b\0c\0d", b"\0\xff\0b"])
def test_what_is_no_plain(said):
    with pytest.raises(SaslSyntaxError):
        next(conversation("PLAIN", said, None))


def test_nobody_acts_for_somebody_else():
    with pytest.raises(AuthenticationFailed):
        next(conversation("PLAIN", b"Ursel\0Kurt\0xipj3plmq", None))  # RFC 4616 section 4


def test_a_password_shows_in_no_repr():
    assert "secret" not in repr(PasswordClaim("a", "secret"))
    assert "secret" not in repr(TokenClaim("a", "secret"))


def test_oauthbearer_by_the_example_of_rfc_7628():
    talk = conversation("OAUTHBEARER", BEARER, None)

    assert next(talk) == TokenClaim("user@example.com", "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29t")
    with pytest.raises(StopIteration):
        talk.send(None)


def test_oauthbearer_may_leave_the_name_to_the_token():
    assert next(conversation("OAUTHBEARER", b"n,,\x01auth=Bearer abc\x01\x01", None)) == TokenClaim("", "abc")


def test_xoauth2_by_googles_example():
    claim = next(conversation("XOAUTH2", X, None))

    assert claim == TokenClaim("someuser@example.com", "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg")


@pytest.mark.parametrize(
    ("mechanism", "said", "complaint", "answer"),
    [
        ("OAUTHBEARER", BEARER, b'{"status":"invalid_token","scope":"mail"}', b"\x01"),
        ("XOAUTH2", X, b'{"status":"401","schemes":"bearer","scope":"mail"}', b""),
    ],
)
def test_a_token_that_does_not_do_is_told_in_json_first(mechanism, said, complaint, answer):
    talk = conversation(mechanism, said, None)
    next(talk)

    assert talk.throw(AuthenticationFailed("expired", "token expired")) == Challenge(complaint)
    with pytest.raises(AuthenticationFailed):
        talk.send(answer)


def test_an_issuer_that_is_away_is_no_bad_token():
    talk = conversation("OAUTHBEARER", BEARER, None)
    next(talk)

    with pytest.raises(DirectoryUnavailable):
        talk.throw(DirectoryUnavailable("issuer away"))


@pytest.mark.parametrize(
    ("mechanism", "said"),
    [
        ("OAUTHBEARER", b""),
        ("OAUTHBEARER", b"n,a=x,"),
        ("OAUTHBEARER", b"p=tls-unique,,\x01auth=Bearer a\x01\x01"),
        ("OAUTHBEARER", b"n,x,\x01auth=Bearer a\x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer a\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Bearer \x01\x01"),
        ("OAUTHBEARER", b"n,,\x01auth=Basic a\x01\x01"),
        ("XOAUTH2", b"auth=Bearer a\x01\x01"),
        ("XOAUTH2", b"user=a\x01\x01"),
    ],
)
def test_what_is_no_bearer_token(mechanism, said):
    with pytest.raises(SaslSyntaxError):
        next(conversation(mechanism, said, None))


@given(
    st.sampled_from(sorted(MECHANISMS)),
    st.lists(
        st.one_of(
            st.binary(max_size=60),
            st.sampled_from(
                [b"n,,n=user,r=abc", b"c=biws,r=abc", b"\0a\0b", b"user=a\x01auth=Bearer x\x01\x01", b"n,,\x01"]
            ),
        ),
        max_size=4,
    ),
)
def test_whatever_a_client_says_ends_in_one_of_three_ways(mechanism, responses):
    """A claim that is asked about, a syntax error, or a refusal: never another exception."""
    talk = conversation(mechanism, None, b"end point")
    said = iter(responses)
    try:
        step = next(talk)
        while True:
            if isinstance(step, Challenge):
                step = talk.send(next(said, b""))
            elif isinstance(step, FindKeys):
                step = talk.send(KeySet(b"salt", 4096, ()))
            else:
                assert isinstance(step, PasswordClaim | TokenClaim | ProofClaim)
                return
    except (SaslSyntaxError, AuthenticationFailed):
        return


def test_what_is_offered_depends_on_the_connection():
    assert offered(secure=False, end_point=b"x", oauth=True) == ()
    assert offered(secure=True) == ("PLAIN", "LOGIN", "SCRAM-SHA-256")
    assert "SCRAM-SHA-256-PLUS" in offered(secure=True, end_point=b"x")
    assert set(offered(secure=True, end_point=b"x", oauth=True)) == MECHANISMS
