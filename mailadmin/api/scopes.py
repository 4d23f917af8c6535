"""What a token may do.

A scope is `resource:read` or `resource:write`; write includes read. `admin` includes everything, and is the only
scope that may manage tokens, set a password that the rules would refuse, and make an account an administrator.
"""

from collections.abc import Iterable

ADMIN = "admin"
READ_ONLY_RESOURCES = ("status", "trace")
WRITABLE_RESOURCES = (
    "accounts",
    "aliases",
    "domains",
    "networks",
    "queue",
    "relayhosts",
    "rewrites",
    "sessions",
    "settings",
    "transport-rules",
)

READ_SCOPES = frozenset(f"{resource}:read" for resource in (*READ_ONLY_RESOURCES, *WRITABLE_RESOURCES))
WRITE_SCOPES = frozenset(f"{resource}:write" for resource in WRITABLE_RESOURCES)
ALL_SCOPES = READ_SCOPES | WRITE_SCOPES | {ADMIN}


def unknown_scopes(scopes: Iterable[str]) -> list[str]:
    """Those of `scopes` that do not exist, sorted."""
    return sorted(set(scopes) - ALL_SCOPES)


def allows(granted: Iterable[str], resource: str, *, write: bool) -> bool:
    """Whether `granted` covers reading (or writing) `resource`."""
    held = set(granted)
    if ADMIN in held or f"{resource}:write" in held:
        return True
    return not write and f"{resource}:read" in held
