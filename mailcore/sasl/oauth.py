"""OAUTHBEARER (RFC 7628) and XOAUTH2 (Google's, which many clients speak): a bearer token instead of a password.

A token that does not do is answered with JSON that says why; the client answers with nothing (or, in OAUTHBEARER, with
one octet 0x01), and only then comes the failure. Host and port, which a client may name, are not looked at: the
token's audience says which service it is for.
"""

from __future__ import annotations

import json

from mailcore.errors import AuthenticationFailed
from mailcore.sasl.conversation import Challenge, Conversation, SaslSyntaxError, TokenClaim, text_of
from mailcore.sasl.scram_server import saslname

SEPARATOR = "\x01"
SCOPE = "mail"


def oauthbearer(initial: bytes | None) -> Conversation:
    """gs2-header kvsep *kvpair kvsep; the header may name the account."""
    text = text_of(initial if initial is not None else (yield Challenge(b"")))
    header, separator, rest = text.partition(SEPARATOR)
    binding, _, authorization = header.partition(",")
    if not separator or binding not in ("n", "y") or not authorization.endswith(","):
        raise SaslSyntaxError("no GS2 header")
    name = authorization[:-1]
    if name and not name.startswith("a="):
        raise SaslSyntaxError("no authorization identity")
    yield from _claim(saslname(name[2:]), _token(rest), {"status": "invalid_token", "scope": SCOPE})


def xoauth2(initial: bytes | None) -> Conversation:
    """`user=` name SEPARATOR `auth=Bearer ` token SEPARATOR SEPARATOR."""
    text = text_of(initial if initial is not None else (yield Challenge(b"")))
    name, separator, rest = text.partition(SEPARATOR)
    if not separator or not name.startswith("user="):
        raise SaslSyntaxError("no user")
    yield from _claim(name[5:], _token(rest), {"status": "401", "schemes": "bearer", "scope": SCOPE})


def _claim(name: str, token: str, complaint: dict[str, str]) -> Conversation:
    try:
        yield TokenClaim(name, token)
    except AuthenticationFailed:
        yield Challenge(json.dumps(complaint, separators=(",", ":")).encode())
        raise


def _token(rest: str) -> str:
    if not rest.endswith(SEPARATOR * 2):
        raise SaslSyntaxError("no end")
    pairs = dict(pair.partition("=")[::2] for pair in rest[:-2].split(SEPARATOR))
    scheme, _, token = pairs.get("auth", "").partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise SaslSyntaxError("no bearer token")
    return token.strip()
