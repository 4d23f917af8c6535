"""What the conversations of all mechanisms have in common (RFC 4422 section 3).

A conversation is a generator. It yields a Challenge and is sent the client's response; it yields FindKeys and is sent
the KeySet of that name; it yields a claim and is sent anything if the claim is true, or an AuthenticationFailed is
thrown into it. When it returns, the client is who it claimed to be. Nothing here reads, writes or waits.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

from mailcore.errors import MailError
from mailcore.sasl.scram import Keys

MAX_RESPONSE = 12 * 1024
"""Octets of one response; a bearer token is the longest thing a client has to say (RFC 4954: 12,288)."""


class SaslSyntaxError(MailError):
    """The client's response is not what the mechanism asks for."""


class SaslCancelled(MailError):
    """The client has given up (`*` in all three protocols)."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """Octets for the client."""

    data: bytes


@dataclass(frozen=True, slots=True)
class FindKeys:
    """Which keys has this account? The answer is a KeySet, also for a name that does not exist."""

    login: str


@dataclass(frozen=True, slots=True)
class KeySet:
    """An account's salt and iteration count, and the keys of its password and each of its app passwords."""

    salt: bytes
    iterations: int
    keys: tuple[Keys, ...] = ()


@dataclass(frozen=True, slots=True)
class PasswordClaim:
    """The client says it is `login` and sends a password."""

    login: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProofClaim:
    """The client has proved to know the password behind `keys`; None: behind none of those it could be."""

    login: str
    keys: Keys | None


@dataclass(frozen=True, slots=True)
class TokenClaim:
    """The client shows a bearer token; `login` may be "" where the mechanism leaves it to the token."""

    login: str
    token: str = field(repr=False)


Claim = PasswordClaim | ProofClaim | TokenClaim
Step = Challenge | FindKeys | Claim
Conversation = Generator[Step, Any, None]


def text_of(octets: bytes) -> str:
    """UTF-8 or SaslSyntaxError."""
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError as error:
        raise SaslSyntaxError("not UTF-8") from error
