"""SCRAM-SHA-256 by the examples of RFC 7677, SASLprep by those of RFC 4013, and everything that must not open."""

import base64
import hashlib
import hmac

import pytest

from mailcore.errors import AuthenticationFailed
from mailcore.sasl.conversation import Challenge, FindKeys, KeySet, ProofClaim, SaslSyntaxError
from mailcore.sasl.scram import Keys, keys_of, new_verifier, saslprep
from mailcore.sasl.scram_server import saslname, scram

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
OWN = keys_of("pencil", SALT, 4096)
END_POINT = hashlib.sha256(b"the certificate").digest()
# RFC 7677 section 3.
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
SERVER_NONCE = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
SERVER_FIRST = b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
FINAL = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
SERVER_FINAL = b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="


def until_first(talk, keys=(OWN,)):
    """The server's first message."""
    asked = next(talk)
    assert isinstance(asked, FindKeys)
    return talk.send(KeySet(SALT, 4096, tuple(keys))).data


def final(first, server_first, *, binding=b"n,,", password="pencil", nonce=None):
    """What a client that knows the password says, written from the RFC and not with the server's functions."""
    bare = first.split(b",", 2)[2]
    found = dict(part.split("=", 1) for part in server_first.decode().split(","))
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), base64.b64decode(found["s"]), int(found["i"]))
    without = f"c={base64.b64encode(binding).decode()},r={nonce or found['r']}".encode()
    message = bare + b"," + server_first + b"," + without
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client_key).digest(), message, "sha256")
    proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
    return without + b",p=" + base64.b64encode(proof)


def run(first, *, plus=False, end_point=None, keys=(OWN,), **how):
    """The claim that the conversation comes to."""
    talk = scram(first, end_point=end_point, plus=plus)
    server_first = until_first(talk, keys)
    return talk.send(final(first, server_first, **how))


def test_the_example_of_rfc_7677():
    talk = scram(None, end_point=None, plus=False, server_nonce=SERVER_NONCE)

    assert next(talk) == Challenge(b"")
    assert talk.send(FIRST) == FindKeys("user")
    assert talk.send(KeySet(SALT, 4096, (OWN,))) == Challenge(SERVER_FIRST)
    assert talk.send(FINAL) == ProofClaim("user", OWN)
    assert talk.send(None) == Challenge(SERVER_FINAL)
    with pytest.raises(StopIteration):
        talk.send(b"")


def test_any_of_several_keys_may_fit():
    other = keys_of("ap-secret", SALT, 4096)

    assert run(b"n,,n=user,r=abc", keys=(other, OWN)).keys is OWN
    assert run(b"n,,n=user,r=abc", keys=(OWN, other), password="ap-secret").keys is other


@pytest.mark.parametrize("keys", [(), (keys_of("pen", SALT, 4096),)])
def test_a_proof_that_fits_none_is_a_claim_to_be_refused(keys):
    assert run(b"n,,n=user,r=abc", keys=keys) == ProofClaim("user", None)


def test_plus_binds_to_the_certificate():
    first, bound = b"p=tls-server-end-point,,n=user,r=abc", b"p=tls-server-end-point,," + END_POINT

    assert run(first, plus=True, end_point=END_POINT, binding=bound).keys is OWN
    with pytest.raises(AuthenticationFailed):
        run(first, plus=True, end_point=b"another certificate", binding=bound)


def test_a_client_that_was_not_shown_plus_is_refused():
    with pytest.raises(AuthenticationFailed) as refused:
        next(scram(b"y,,n=user,r=abc", end_point=END_POINT, plus=False))

    assert refused.value.reason == "downgrade"


def test_a_client_that_could_bind_may_log_in_where_there_is_no_plus():
    assert run(b"y,,n=user,r=abc", binding=b"y,,").keys is OWN


@pytest.mark.parametrize(
    "how", [{"nonce": "abcX"}, {"binding": b"y,,"}, {"binding": b"n,a=user,"}], ids=["nonce", "flag", "header"]
)
def test_what_was_said_first_must_be_what_is_proved(how):
    with pytest.raises(AuthenticationFailed):
        run(b"n,,n=user,r=abc", **how)


def test_nobody_acts_for_somebody_else():
    with pytest.raises(AuthenticationFailed):
        next(scram(b"n,a=alice,n=user,r=abc", end_point=None, plus=False))
    assert next(scram(b"n,a=User,n=user,r=abc", end_point=None, plus=False)) == FindKeys("user")


@pytest.mark.parametrize(
    "first",
    [
        b"", b"n", b"n,", b"n,,", b"x,,n=user,r=abc", b"n,user,n=user,r=abc", b"n,,m=ext,n=user,r=abc", b"n,,r=abc",
        b"n,,n=user", b"n,,n=user,r=", b"n,,n=us=er,r=abc", b"n,,n=us=2cer,r=abc", b"n,,n=\xff,r=abc",
        b"p=tls-unique,,n=user,r=abc", b"n,,n=user,r=a b",
    ],
)  # fmt: skip
def test_first_messages_that_are_none(first):
    with pytest.raises(SaslSyntaxError):
        next(scram(first, end_point=None, plus=False))


@pytest.mark.parametrize(
    "last",
    [
        b"", b"c=biws", b"c=biws,r=x", b"c=b,r=x,p=AAAA", b"c=biws,r=x,p=!", b"r=x,c=biws,p=AAAA",
        b"c=biws,r=x,p=\xc3\xa9", b"c=\xc3\xa9,r=x,p=AAAA",
    ],
)  # fmt: skip
def test_last_messages_that_are_none(last):
    talk = scram(b"n,,n=user,r=abc", end_point=None, plus=False)
    until_first(talk)

    with pytest.raises(SaslSyntaxError):
        talk.send(last)


def test_plus_with_another_binding_is_refused():
    with pytest.raises(AuthenticationFailed):
        next(scram(b"p=tls-exporter,,n=user,r=abc", end_point=END_POINT, plus=True))


def test_names_with_commas_and_equals_signs():
    assert saslname("a=2Cb=3Dc") == "a,b=c"


# RFC 4013 section 3.
@pytest.mark.parametrize(
    ("text", "prepared"),
    [("I\u00adX", "IX"), ("user", "user"), ("USER", "USER"), ("\u00aa", "a"), ("\u2168", "IX"), ("a\u00a0b", "a b")],
)
def test_saslprep(text, prepared):
    assert saslprep(text) == prepared


@pytest.mark.parametrize("text", ["\u0007", "\u0627\u0031", "\u0221"])
def test_saslprep_prohibits(text):
    with pytest.raises(ValueError, match=r"letter|character"):
        saslprep(text)


def test_a_verifier_keeps_salt_and_count_when_it_is_told_to():
    first = new_verifier("one")
    second = new_verifier("two", first.salt, first.iterations)

    assert (second.salt, second.iterations) == (first.salt, first.iterations)
    assert second.stored_key != first.stored_key
    assert new_verifier("one").salt != first.salt
    assert Keys(first.stored_key, first.server_key) == keys_of("one", first.salt, first.iterations)


def test_a_password_that_saslprep_prohibits_has_no_verifier():
    assert new_verifier("bell\u0007") is None
