"""OAuth access tokens as signed JWTs (RFC 9068): whose key signed it, for us, still valid, and for which address.

Issuers are configured; the algorithm is that of the key. Keys are fetched on a pool thread, once for all who wait, kept
for an hour, and fetched anew for a key id nobody knows, at most each minute. A token whose key cannot be looked up now
cannot be judged: DirectoryUnavailable, not a failure of the client's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from mailcore.clock import Clock, SystemClock
from mailcore.config.snapshot import OauthIssuer
from mailcore.directory.jwks import SigningKey, fetch_jwks, parse_jwks
from mailcore.errors import AuthenticationFailed, DirectoryUnavailable
from mailcore.offload import Offload

LEEWAY_S = 60
KEEP_S = 3600.0
ASK_AGAIN_S = 60.0


@dataclass(slots=True)
class _Known:
    """Keys of one issuer."""

    keys: tuple[SigningKey, ...] = ()
    missing: set[str | None] = field(default_factory=set)
    """Key ids that were looked for in vain since these keys were fetched."""
    fetched: float | None = None
    asked: float | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Issuers:
    """`address_of` for tokens of the configured issuers. One per process."""

    def __init__(
        self, configured: Callable[[], Sequence[OauthIssuer]], offload: Offload, clock: Clock | None = None
    ) -> None:
        self._configured = configured
        self._offload = offload
        self._clock = clock or SystemClock()
        self._known: dict[tuple[str, str], _Known] = {}

    async def address_of(self, token: str) -> str:
        """The address in lower case. Raises AuthenticationFailed, DirectoryUnavailable."""
        import jwt

        try:
            header = jwt.get_unverified_header(token)
            named = jwt.decode(token, options={"verify_signature": False}).get("iss")
        except (jwt.PyJWTError, ValueError, RecursionError) as error:
            raise AuthenticationFailed(f"token: {error}", "not a token") from error
        issuer = next((each for each in self._configured() if each.issuer == named), None)
        if issuer is None:
            raise AuthenticationFailed(f"token of {named!r}", "unknown issuer of the token")
        key = await self._key(issuer, header)
        return _address(issuer, _claims(token, issuer, key))

    async def _key(self, issuer: OauthIssuer, header: dict[str, Any]) -> SigningKey:
        known = self._known.setdefault((issuer.jwks_url, issuer.jwks), _Known())
        found, is_fresh = _fitting(known.keys, header), False
        if found is None or self._is_older(known.fetched, KEEP_S):
            is_fresh = await self._learn(issuer, known)
            found = _fitting(known.keys, header)
        if found is not None:
            return found
        name = _key_id(header)
        if is_fresh:
            known.missing.add(name)
        if not is_fresh and name not in known.missing and all(key.id != name for key in known.keys):
            raise DirectoryUnavailable(f"{issuer.issuer} may have another key since its keys were fetched")
        raise AuthenticationFailed(f"token of {issuer.issuer}: unknown key", "unknown key of the token")

    async def _learn(self, issuer: OauthIssuer, known: _Known) -> bool:
        """Fetch the keys, unless that was tried a moment ago: then what is known has to do, if anything is. Returns
        whether the keys are those of now.
        """
        began = self._clock.monotonic()
        async with known.lock:
            if not self._is_older(known.asked, ASK_AGAIN_S):
                if known.fetched is None:
                    raise DirectoryUnavailable(f"keys of {issuer.issuer} could not be fetched a moment ago")
                # Fetched for another who waited, or written in the configuration.
                return known.fetched > began or not issuer.jwks_url
            known.asked = self._clock.monotonic()
            try:
                known.keys = await self._offload.plain(_load, issuer)
            except DirectoryUnavailable:
                if known.fetched is None or self._is_older(known.fetched, 24 * KEEP_S):
                    raise
                return False
            known.missing.clear()
            known.fetched = self._clock.monotonic()
            return True

    def _is_older(self, moment: float | None, age_s: float) -> bool:
        return moment is None or self._clock.monotonic() - moment > age_s


def _load(issuer: OauthIssuer) -> tuple[SigningKey, ...]:
    if issuer.jwks_url:
        return fetch_jwks(issuer.jwks_url)
    try:
        return parse_jwks(issuer.jwks)
    except ValueError as error:
        raise DirectoryUnavailable(f"keys of {issuer.issuer}: {error}") from error


def _fitting(keys: Sequence[SigningKey], header: dict[str, Any]) -> SigningKey | None:
    """The key the token names; one that names none fits the only key of its algorithm."""
    fitting = [key for key in keys if key.algorithm == header.get("alg")]
    if "kid" in header:
        return next((key for key in fitting if key.id == header["kid"]), None)
    return fitting[0] if len(fitting) == 1 else None


def _key_id(header: dict[str, Any]) -> str | None:
    """As far as it is worth remembering."""
    return str(header["kid"])[:200] if "kid" in header else None


def _claims(token: str, issuer: OauthIssuer, key: SigningKey) -> dict[str, Any]:
    import jwt

    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            issuer=issuer.issuer,
            audience=issuer.audience,
            leeway=LEEWAY_S,
            options={"require": ["exp", "iss", "aud"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise AuthenticationFailed(f"token of {issuer.issuer}: {error}", "token expired") from error
    except jwt.InvalidAudienceError as error:
        raise AuthenticationFailed(f"token of {issuer.issuer}: {error}", "token for another audience") from error
    except jwt.PyJWTError as error:
        raise AuthenticationFailed(f"token of {issuer.issuer}: {error}", "token not valid") from error
    return claims


def _address(issuer: OauthIssuer, claims: dict[str, Any]) -> str:
    found = claims.get(issuer.address_claim)
    if not isinstance(found, str) or "@" not in found or claims.get(f"{issuer.address_claim}_verified") is False:
        raise AuthenticationFailed(f"token of {issuer.issuer} names no address", "no address in the token")
    return found.strip().lower()
