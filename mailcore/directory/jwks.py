"""Keys of an OAuth issuer: a JWK set (RFC 7517) as PyJWT's keys, by key id; fetched from its address or given.

Only RSA and P-256 keys count, each for the one algorithm we take from it: a token cannot choose another. A fetch holds
its thread for a bounded time, whoever answers: at most STEP_LIMIT_S for each address to connect to and for TLS, and all
in all FETCH_LIMIT_S for the answer, however slowly it drips.
"""

from __future__ import annotations

import http.client
import io
import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from functools import partial
from typing import Any

from mailcore.errors import DirectoryUnavailable

STEP_LIMIT_S = 5.0
FETCH_LIMIT_S = 10.0
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


class _UntilDeadline(io.RawIOBase):
    """What a socket brings until then; each octet may not begin the time anew."""

    def __init__(self, raw: Any, sock: socket.socket, deadline: float) -> None:
        self._raw = raw
        self._sock = sock
        self._deadline = deadline

    def readable(self) -> bool:
        """Yes."""
        return True

    def readinto(self, buffer: Any) -> int | None:
        """Raises TimeoutError."""
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("the answer takes too long")
        self._sock.settimeout(left_s)
        read: int | None = self._raw.readinto(buffer)
        return read

    def close(self) -> None:
        """The socket too, as a response does."""
        self._raw.close()
        super().close()


class _Answer(http.client.HTTPResponse):
    """Status, header and body, or TimeoutError at the deadline."""

    def __init__(self, sock: socket.socket, *args: Any, deadline: float, **more: Any) -> None:
        super().__init__(sock, *args, **more)
        self.fp = io.BufferedReader(_UntilDeadline(self.fp.detach(), sock, deadline))


class _InTime(http.client.HTTPConnection):
    """A connection whose time runs from its beginning."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        deadline = time.monotonic() + FETCH_LIMIT_S
        self.response_class = partial(_Answer, deadline=deadline)  # type: ignore[assignment]


class _TlsInTime(_InTime, http.client.HTTPSConnection):
    """The same with TLS."""


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Called by the opener."""
        return self.do_open(_InTime, request)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Called by the opener."""
        return self.do_open(_TlsInTime, request)


_OPENER = urllib.request.build_opener(_NoDetours, _Http, _Https)


def fetch_jwks(url: str) -> tuple[SigningKey, ...]:
    """Blocking, within the limits above; at most MAX_BYTES. Raises DirectoryUnavailable."""
    request = urllib.request.Request(url, headers={"Accept": "application/json"})
    try:
        with _OPENER.open(request, timeout=STEP_LIMIT_S) as answer:
            text = answer.read(MAX_BYTES + 1)
        if len(text) > MAX_BYTES:
            raise ValueError(f"more than {MAX_BYTES} octets")
        return parse_jwks(text.decode("utf-8"))
    except urllib.error.HTTPError as error:
        error.close()
        raise DirectoryUnavailable(f"keys of {url}: {error}") from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DirectoryUnavailable(f"keys of {url}: {error}") from error
