"""Checks the password formats Django writes, without Django: argon2 and PBKDF2-SHA256."""

from __future__ import annotations

import base64
import hashlib
import hmac

import argon2

# As mailadmin.hashers; a stored hash brings its own parameters.
_ARGON2 = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
# Checked when the account does not exist, so that the answer takes as long as for one that does.
DUMMY = "argon2" + _ARGON2.hash("not the password of anybody")


def check_password(password: str, stored: str) -> bool:
    """Whether `password` is the one that was stored. Unknown formats and "!" never match. Takes 20-400 ms."""
    algorithm, _, rest = stored.partition("$")
    if algorithm == "argon2":
        return _check_argon2(password, "$" + rest)
    if algorithm == "pbkdf2_sha256":
        return _check_pbkdf2(password, rest)
    return False


def _check_argon2(password: str, encoded: str) -> bool:
    try:
        return _ARGON2.verify(encoded, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _check_pbkdf2(password: str, rest: str) -> bool:
    try:
        iterations, salt, wanted = rest.split("$")
        got = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), int(iterations))
    except ValueError:
        return False
    return hmac.compare_digest(base64.b64encode(got).decode(), wanted)
