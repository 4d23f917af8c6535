"""API tokens: made, hashed, found.

A token is `mk_` and 256 random bits, so a plain SHA-256 protects it: there is nothing to guess, and a slow hash would
only make every request slow. It is shown once, when it is made.
"""

import hashlib
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.core.exceptions import ValidationError
from django.db.models import Q
from django.utils import timezone

from mailadmin.api.models import ApiToken
from mailadmin.api.scopes import ALL_SCOPES, unknown_scopes

PREFIX = "mk_"
# The time of last use is for people; once a minute is enough and spares a write per request.
LAST_USED_RESOLUTION = timedelta(minutes=1)


def hash_token(token: str) -> str:
    """What the database keeps of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def new_text() -> tuple[str, str]:
    """The text of a new token, and the hash to keep of it."""
    text = PREFIX + secrets.token_urlsafe(32)
    return text, hash_token(text)


def create_token(name: str, scopes: Iterable[str], expires_at: datetime | None = None) -> tuple[ApiToken, str]:
    """A new token and, this once, its text. Raises ValidationError for an unknown scope, none, or a used name."""
    wanted = sorted(set(scopes))
    if unknown := unknown_scopes(wanted):
        known = ", ".join(sorted(ALL_SCOPES))
        raise ValidationError({"scopes": [f"There is no scope {scope!r}; there are {known}." for scope in unknown]})
    text, token_hash = new_text()
    token = ApiToken(name=name, scopes=wanted, token_hash=token_hash, expires_at=expires_at)
    token.full_clean()
    token.save()
    return token, text


def find_token(text: str) -> ApiToken | None:
    """The enabled, unexpired token with this text, its last use noted."""
    if not text.startswith(PREFIX):
        return None
    now = timezone.now()
    valid = Q(expires_at__isnull=True) | Q(expires_at__gt=now)
    token = ApiToken.objects.filter(valid, token_hash=hash_token(text), enabled=True).first()
    if token and (token.last_used_at is None or token.last_used_at < now - LAST_USED_RESOLUTION):
        ApiToken.objects.filter(pk=token.pk).update(last_used_at=now)
    return token
