"""Secrets that must be read again (relay host passwords), sealed with the appliance's key in the database."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mailcore.errors import MailError


class UnsealError(MailError):
    """The text was not sealed with this key."""


def _fernet(secret_key: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"mailkeep secretbox 1").derive(secret_key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def seal(secret_key: str, text: str) -> str:
    """Encrypted and authenticated ASCII text."""
    return _fernet(secret_key).encrypt(text.encode()).decode()


def unseal(secret_key: str, token: str) -> str:
    """The sealed text. Raises UnsealError."""
    try:
        return _fernet(secret_key).decrypt(token.encode()).decode()
    except InvalidToken as error:
        raise UnsealError("sealed with another SECRET_KEY") from error
