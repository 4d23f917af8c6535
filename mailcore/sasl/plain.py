"""PLAIN (RFC 4616) and LOGIN (draft-murchison-sasl-login): the password itself, in one response or two."""

from __future__ import annotations

from mailcore.errors import AuthenticationFailed
from mailcore.sasl.conversation import Challenge, Conversation, PasswordClaim, SaslSyntaxError, text_of


def plain(initial: bytes | None) -> Conversation:
    """authorization identity NUL login NUL password; nobody may act for somebody else."""
    response = initial if initial is not None else (yield Challenge(b""))
    parts = response.split(b"\0")
    if len(parts) != 3:
        raise SaslSyntaxError("PLAIN needs three parts")
    authorization, name, password = map(text_of, parts)
    if authorization and authorization.lower() != name.lower():
        raise AuthenticationFailed(f"{name!r} wants to act for {authorization!r}", "another identity")
    yield PasswordClaim(name, password)


def login(initial: bytes | None) -> Conversation:
    """Two questions; some clients send the name with the command."""
    name = initial if initial is not None else (yield Challenge(b"Username:"))
    password = yield Challenge(b"Password:")
    yield PasswordClaim(text_of(name), text_of(password))
