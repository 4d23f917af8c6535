"""Permission by scope: GET needs `resource:read`, everything else `resource:write`."""

from typing import Any

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from mailadmin.api import scopes
from mailadmin.api.authentication import Grant


class HasScope(BasePermission):
    """The token (or the session) covers the view's `resource`."""

    def has_permission(self, request: Request, view: Any) -> bool:
        if not isinstance(request.auth, Grant):
            return False
        write = request.method not in SAFE_METHODS
        self.message = f"This needs the scope {view.resource}:{'write' if write else 'read'}."
        return scopes.allows(request.auth.scopes, view.resource, write=write)


class HasAdminScope(BasePermission):
    """Only the scope `admin` will do."""

    message = "This needs the scope admin."

    def has_permission(self, request: Request, view: Any) -> bool:
        return is_admin(request)


def is_admin(request: Request) -> bool:
    """Whether the request carries the scope `admin`."""
    return isinstance(request.auth, Grant) and scopes.ADMIN in request.auth.scopes
