"""Who is asking: a bearer token (RFC 6750), or the session of somebody who may use the panel.

Both end as a Grant in `request.auth`, so that permissions know scopes only. A token is no account: what it changes is
audited as `token NAME`.
"""

from dataclasses import dataclass
from typing import Any, NoReturn

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, SessionAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed, PermissionDenied, Throttled
from rest_framework.request import Request

from mailadmin.api import tokens
from mailadmin.api.scopes import ALL_SCOPES, READ_SCOPES
from mailadmin.sign_in import client_of, throttle
from mailcore.throttle.failures import WINDOW_S

TOKENS = "api token"
"""The name under which the throttle counts them."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What this request may do, and the name under which it does so."""

    actor: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class TokenUser:
    """Stands for the token where Django expects a user."""

    name: str
    pk: None = None
    is_authenticated: bool = True
    is_anonymous: bool = False
    is_active: bool = True
    is_staff: bool = False

    def __str__(self) -> str:
        return f"token {self.name}"


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer mk_...`"""

    def authenticate(self, request: Request) -> tuple[TokenUser, Grant] | None:
        scheme, _, text = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        client = client_of(request)
        # A token cannot be guessed, so a right one is always heard; wrong ones count with all other failures.
        token = tokens.find_token(text.strip().decode("latin-1"))
        if token is None:
            self._refuse(client)
        user = TokenUser(token.name)
        return user, Grant(str(user), frozenset(token.scopes))

    def _refuse(self, client: str) -> NoReturn:
        if throttle().must_wait(client, TOKENS):
            raise Throttled(WINDOW_S)
        throttle().failed(client, TOKENS)
        raise AuthenticationFailed("This token is unknown, disabled or expired.")

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="Mailkeep"'


class StaffSessionAuthentication(SessionAuthentication):
    """The panel's session: superusers may do everything, other administrators may read. CSRF is checked."""

    def authenticate(self, request: Request) -> tuple[Any, Grant] | None:
        found = super().authenticate(request)
        if found is None:
            return None
        user = found[0]
        if not user.is_staff:
            raise PermissionDenied("The API is for administrators and for programs with a token.")
        return user, Grant(user.address, ALL_SCOPES if user.is_superuser else READ_SCOPES)


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes TokenAuthentication."""

    target_class = "mailadmin.api.authentication.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A token with scopes: `mk_...`"}


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes StaffSessionAuthentication."""

    target_class = "mailadmin.api.authentication.StaffSessionAuthentication"
    name = "session"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": "The panel's session."}
