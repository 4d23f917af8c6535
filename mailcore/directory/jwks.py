"""Keys of an OAuth issuer: a JWK set (RFC 7517) as PyJWT's keys, by key id; fetched from its address or given.

Only RSA and P-256 keys count, each for the one algorithm we take from it: a token cannot choose another.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from mailcore.errors import DirectoryUnavailable

FETCH_LIMIT_S = 5.0
MAX_BYTES = 1024 * 1024
ALGORITHMS = {"RSA": "RS256", "EC": "ES256"}


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A public key, its id ("" if it has none), and the algorithm it signs by."""

    id: str
    algorithm: str
    key: Any


def parse_jwks(text: str) -> tuple[SigningKey, ...]:
    """The usable keys of a JWK set. Raises ValueError when it is none."""
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise ValueError("nested too deep") from error
    if not isinstance(found, dict) or not isinstance(found.get("keys"), list):
        raise ValueError("not a JWK set: an object with a list of keys")
    return tuple(key for each in found["keys"] if isinstance(each, dict) and (key := _key(each)) is not None)


def _key(jwk: dict[str, Any]) -> SigningKey | None:
    import jwt

    algorithm = ALGORITHMS.get(str(jwk.get("kty")))
    if algorithm is None or jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    if algorithm == "ES256" and jwk.get("crv") != "P-256":
        return None
    try:
        key = jwt.PyJWK(jwk, algorithm)
    except (jwt.PyJWTError, ValueError, TypeError):
        return None
    # A private key has no business in a set of public ones, and would be taken for one that signs.
    return None if "d" in jwk else SigningKey(str(jwk.get("kid", "")), algorithm, key.key)


class _NoDetours(urllib.request.HTTPRedirectHandler):
    """Keys come from the address that was configured, over https; who answers must not send us into the clear, or to
    services beside us that nobody else reaches.
    """

    def redirect_request(self, *_: Any) -> None:
        """The redirection is the answer, which is an error."""


_OPENER = urllib.request.build_opener(_NoDetours)


def fetch_jwks(url: str) -> tuple[SigningKey, ...]:
    """Blocking, FETCH_LIMIT_S for each step. Raises DirectoryUnavailable."""
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with _OPENER.open(request, timeout=FETCH_LIMIT_S) as answer:
            return parse_jwks(answer.read(MAX_BYTES).decode("utf-8"))
    except urllib.error.HTTPError as error:
        error.close()
        raise DirectoryUnavailable(f"keys of {url}: {error}") from error
    except (OSError, ValueError) as error:
        raise DirectoryUnavailable(f"keys of {url}: {error}") from error
