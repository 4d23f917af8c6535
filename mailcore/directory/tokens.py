"""Bearer tokens: what the authenticator wants to know of them."""

from __future__ import annotations

from typing import Protocol

from mailcore.errors import AuthenticationFailed


class Tokens(Protocol):
    """Who a token speaks for. mailcore.directory.issuers knows; a test may pass its own."""

    async def address_of(self, token: str) -> str:
        """The address in lower case. Raises AuthenticationFailed, DirectoryUnavailable (the issuer is away)."""


class NoTokens:
    """Nobody issues tokens for us."""

    async def address_of(self, token: str) -> str:
        raise AuthenticationFailed("no issuer", "no issuer of tokens")
