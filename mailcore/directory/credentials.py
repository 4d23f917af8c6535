"""By what an account may log in besides its password's hash, and from where.

Read at logins only, apart from Entry: a look-up of a recipient has no use for any of it.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from dataclasses import dataclass, field

from mailcore.config.snapshot import NetworkSet
from mailcore.sasl.conversation import KeySet
from mailcore.sasl.scram import Keys

ANYWHERE = NetworkSet()
_FORM = re.compile(r"ap-[a-z2-7]{26}", re.ASCII)


@dataclass(frozen=True, slots=True)
class AppPasswordRecord:
    """A password of one device. `protocols` are those of "imap", "pop3" and "smtp" it opens."""

    id: int
    digest: bytes = field(repr=False)
    keys: Keys
    protocols: frozenset[str]
    networks: NetworkSet = ANYWHERE


@dataclass(frozen=True, slots=True)
class Credentials:
    """Of one account. No networks means anywhere; `own_keys` is None until the password is set again."""

    networks: NetworkSet = ANYWHERE
    app_passwords_only: bool = False
    salt: bytes = b""
    iterations: int = 0
    own_keys: Keys | None = None
    app_passwords: tuple[AppPasswordRecord, ...] = ()

    def app_password(self, secret: str) -> AppPasswordRecord | None:
        """The one whose text this is."""
        wanted = digest_of(secret)
        return next((each for each in self.app_passwords if each.digest == wanted), None)

    def app_password_of(self, app_password_id: int) -> AppPasswordRecord | None:
        """The one of this id, None if it was revoked."""
        return next((each for each in self.app_passwords if each.id == app_password_id), None)

    def with_keys(self, keys: Keys) -> AppPasswordRecord | None:
        """The app password of these keys, None if they are those of the account's own password."""
        return next((each for each in self.app_passwords if each.keys == keys), None)

    @property
    def key_set(self) -> KeySet | None:
        """What SCRAM needs; None when the account can do no SCRAM."""
        keys = [each.keys for each in self.app_passwords]
        if self.own_keys is not None:
            keys.insert(0, self.own_keys)
        return KeySet(self.salt, self.iterations, tuple(keys)) if keys else None


def new_secret() -> str:
    """The text of a new app password: 128 random bits that can be typed."""
    return "ap-" + base64.b32encode(secrets.token_bytes(16)).decode().rstrip("=").lower()


def has_secret_form(password: str) -> bool:
    """Whether this looks like an app password: then it is one, or wrong, and no hash has to say so."""
    return _FORM.fullmatch(password) is not None


def digest_of(secret: str) -> bytes:
    """As it is stored. Nobody guesses 128 bits, so a fast hash is enough."""
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
