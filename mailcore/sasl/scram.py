"""The arithmetic of SCRAM-SHA-256 (RFC 5802 section 3, RFC 7677): verifiers, proofs, signatures.

A verifier is what the server keeps instead of the password: with it a proof can be checked, but none be made. The
password goes through SASLprep (RFC 4013) first, as the client's does.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import stringprep
import unicodedata
from dataclasses import dataclass, field

ITERATIONS = 10_000
"""RFC 7677 section 4 wants at least 4096. Some 4 ms here; phones do it at every login."""
SALT_BYTES = 16

_PROHIBITED = (
    stringprep.in_table_c12,
    stringprep.in_table_c21_c22,
    stringprep.in_table_c3,
    stringprep.in_table_c4,
    stringprep.in_table_c5,
    stringprep.in_table_c6,
    stringprep.in_table_c7,
    stringprep.in_table_c8,
    stringprep.in_table_c9,
)


@dataclass(frozen=True, slots=True)
class Keys:
    """StoredKey and ServerKey of one password; neither appears in a log."""

    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is kept of an account's password."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def new_verifier(password: str, salt: bytes | None = None, iterations: int | None = None) -> Verifier | None:
    """A verifier with this salt and count, or new ones. None when SASLprep allows no such password."""
    salt = bytes(salt) if salt else secrets.token_bytes(SALT_BYTES)
    iterations = iterations or ITERATIONS
    try:
        keys = keys_of(password, salt, iterations)
    except ValueError:
        return None
    return Verifier(salt, iterations, keys.stored_key, keys.server_key)


def keys_of(password: str, salt: bytes, iterations: int) -> Keys:
    """StoredKey and ServerKey. Raises ValueError when SASLprep allows no such password. Some milliseconds of work."""
    salted = hashlib.pbkdf2_hmac("sha256", saslprep(password).encode(), salt, iterations)
    client_key = hmac.digest(salted, b"Client Key", "sha256")
    return Keys(hashlib.sha256(client_key).digest(), hmac.digest(salted, b"Server Key", "sha256"))


def proof_fits(proof: bytes, stored_key: bytes, auth_message: bytes) -> bool:
    """Whether the client that sent `proof` knows the password behind `stored_key`."""
    if len(proof) != len(stored_key):
        return False
    signature = hmac.digest(stored_key, auth_message, "sha256")
    client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
    return hmac.compare_digest(hashlib.sha256(client_key).digest(), stored_key)


def server_signature(server_key: bytes, auth_message: bytes) -> bytes:
    """What proves to the client that the server knows the verifier."""
    return hmac.digest(server_key, auth_message, "sha256")


def saslprep(text: str) -> str:
    """SASLprep (RFC 4013 section 2) of a stored string. Raises ValueError for what it prohibits."""
    mapped = "".join(
        " " if stringprep.in_table_c12(char) else char for char in text if not stringprep.in_table_b1(char)
    )
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for char in prepared:
        if stringprep.in_table_a1(char) or any(prohibited(char) for prohibited in _PROHIBITED):
            raise ValueError("a character that SASLprep prohibits")
    _check_directions(prepared)
    return prepared


def _check_directions(prepared: str) -> None:
    """RFC 3454 section 6: text with right-to-left letters is right-to-left at both ends and has no others."""
    if not any(stringprep.in_table_d1(char) for char in prepared):
        return
    mixed = any(stringprep.in_table_d2(char) for char in prepared)
    if mixed or not (stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])):
        raise ValueError("letters of both directions")
