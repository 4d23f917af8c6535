"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, the server's side (RFC 5802 sections 5 to 7, RFC 7677, RFC 5929 section 4).

The client proves that it knows the password and the server that it knows the verifier; the password is never sent.
With -PLUS both speak of the server's certificate, too: nobody in between can pass the proof on. A client that could
have used -PLUS but was told there is none says so ("y"), and is refused where we did offer it.
"""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass

from mailcore.errors import AuthenticationFailed
from mailcore.sasl.conversation import (
    Challenge,
    Conversation,
    FindKeys,
    KeySet,
    ProofClaim,
    SaslSyntaxError,
    text_of,
)
from mailcore.sasl.scram import Keys, proof_fits, server_signature

END_POINT = "tls-server-end-point"
NONCE_BYTES = 18


@dataclass(frozen=True, slots=True)
class ClientFirst:
    """The client's first message, taken apart."""

    gs2_header: str
    binding: str  # "n", "y" or "p=NAME"
    authorization: str
    login: str
    nonce: str
    bare: str


@dataclass(frozen=True, slots=True)
class ClientFinal:
    """The client's second message, taken apart."""

    binding: bytes
    nonce: str
    proof: bytes
    without_proof: str


def scram(
    initial: bytes | None, *, end_point: bytes | None, plus: bool, server_nonce: str | None = None
) -> Conversation:
    """`end_point` is the hash of this connection's certificate, None where -PLUS is not offered."""
    first = parse_first(text_of(initial if initial is not None else (yield Challenge(b""))))
    _check_binding(first, plus=plus, offers_plus=end_point is not None)
    if first.authorization and first.authorization.lower() != first.login.lower():
        raise AuthenticationFailed(f"{first.login!r} wants to act for {first.authorization!r}", "another identity")
    known: KeySet = yield FindKeys(first.login)
    nonce = first.nonce + (server_nonce or base64.b64encode(secrets.token_bytes(NONCE_BYTES)).decode())
    server_first = f"r={nonce},s={base64.b64encode(known.salt).decode()},i={known.iterations}"
    final = parse_final(text_of((yield Challenge(server_first.encode()))))
    wanted = first.gs2_header.encode() + (end_point or b"" if plus else b"")
    if final.nonce != nonce or final.binding != wanted:
        raise AuthenticationFailed(f"{first.login!r}: other nonce or channel than ours", "another channel or nonce")
    message = f"{first.bare},{server_first},{final.without_proof}".encode()
    fitting = _fitting(known, final.proof, message)
    yield ProofClaim(first.login, fitting)
    if fitting is None:
        raise AuthenticationFailed(f"{first.login!r}: wrong proof", "wrong password")
    signature = base64.b64encode(server_signature(fitting.server_key, message))
    if (yield Challenge(b"v=" + signature)):
        raise SaslSyntaxError("nothing is left to say")


def _fitting(known: KeySet, proof: bytes, message: bytes) -> Keys | None:
    return next((keys for keys in known.keys if proof_fits(proof, keys.stored_key, message)), None)


def _check_binding(first: ClientFirst, *, plus: bool, offers_plus: bool) -> None:
    if plus and first.binding != f"p={END_POINT}":
        raise AuthenticationFailed(f"{first.login!r} binds by {first.binding!r}", "unknown channel binding")
    if not plus and first.binding.startswith("p"):
        raise SaslSyntaxError("channel binding belongs to -PLUS")
    if not plus and first.binding == "y" and offers_plus:
        # Somebody has taken -PLUS out of what we offered (section 6).
        raise AuthenticationFailed(f"{first.login!r} has not seen -PLUS", "downgrade")


def parse_first(text: str) -> ClientFirst:
    """gs2-header client-first-message-bare. Raises SaslSyntaxError."""
    binding, _, rest = text.partition(",")
    authorization, comma, bare = rest.partition(",")
    if not comma or not (binding in ("n", "y") or binding.startswith("p=")):
        raise SaslSyntaxError("no GS2 header")
    if authorization and not authorization.startswith("a="):
        raise SaslSyntaxError("no authorization identity")
    attributes = bare.split(",")
    if len(attributes) < 2 or not attributes[0].startswith("n=") or not attributes[1].startswith("r="):
        raise SaslSyntaxError("name and nonce are missing, or an extension is mandatory")
    nonce = attributes[1][2:]
    if not nonce or not all("!" <= char <= "~" for char in nonce):
        raise SaslSyntaxError("not a nonce")
    header = f"{binding},{authorization},"
    return ClientFirst(header, binding, saslname(authorization[2:]), saslname(attributes[0][2:]), nonce, bare)


def parse_final(text: str) -> ClientFinal:
    """client-final-message. Raises SaslSyntaxError."""
    without_proof, separator, proof = text.rpartition(",p=")
    attributes = without_proof.split(",")
    if not separator or len(attributes) < 2:
        raise SaslSyntaxError("no proof")
    if not attributes[0].startswith("c=") or not attributes[1].startswith("r="):
        raise SaslSyntaxError("no channel binding or nonce")
    try:
        binding = base64.b64decode(attributes[0][2:], validate=True)
        return ClientFinal(binding, attributes[1][2:], base64.b64decode(proof, validate=True), without_proof)
    except ValueError as error:
        # Not only binascii.Error, which it is: what is not ASCII is a plain ValueError.
        raise SaslSyntaxError("not base64") from error


def saslname(text: str) -> str:
    """=2C is a comma and =3D an equals sign; no other use of "=" is allowed. Raises SaslSyntaxError."""
    pieces = text.split("=")
    decoded = pieces[0]
    for piece in pieces[1:]:
        if piece[:2] not in ("2C", "3D"):
            raise SaslSyntaxError("not a saslname")
        decoded += ("," if piece[:2] == "2C" else "=") + piece[2:]
    return decoded
