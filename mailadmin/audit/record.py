"""Writes the audit log: who changed what, with old and new values, and never a secret.

Explicit: the caller says who acted (`Actor`) and hands over the values before and after; nothing is guessed from
threads or signals. Call it inside the database transaction of the change: neither stands without the other.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import models
from django.http import HttpRequest

from mailadmin.audit.models import AuditEntry

MASK = "***"
SECRET_FIELDS = frozenset({"password", "sealed_password", "token_hash", "token"})
# Written by the programs or the database, not by an administrator, or with a password: nothing anybody may read.
NOISE_FIELDS = frozenset(
    {
        "id", "created_at", "last_used_at",
        "scram_salt", "scram_iterations", "scram_stored_key", "scram_server_key", "digest", "stored_key", "server_key",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does it: an account's address, or `token NAME`; and from where."""

    name: str
    client_address: str | None = None

    @classmethod
    def of_request(cls, request: HttpRequest) -> Actor:
        """The logged-in account of a request of the panel."""
        return cls(str(request.user), client_address(request))


def client_address(request: HttpRequest) -> str | None:
    """The peer's address, or None when it is not one (a Unix socket)."""
    try:
        return str(ipaddress.ip_address(request.META.get("REMOTE_ADDR", "")))
    except ValueError:
        return None


def values_of(row: models.Model | None) -> dict[str, Any]:
    """The columns of a row as the audit log keeps them; of None, nothing."""
    if row is None:
        return {}
    fields = [field for field in row._meta.concrete_fields if field.name not in NOISE_FIELDS]
    return {field.name: _plain(getattr(row, field.attname)) for field in fields}


def stored_values(row: models.Model) -> dict[str, Any]:
    """What the database holds for this row now; {} for a new one."""
    if row.pk is None:
        return {}
    return values_of(type(row)._base_manager.filter(pk=row.pk).first())


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """field -> [old, new] for every field that differs; secrets masked."""
    changed = [name for name in {**before, **after} if before.get(name) != after.get(name)]
    return {name: [_shown(name, before.get(name)), _shown(name, after.get(name))] for name in changed}


def record(
    actor: Actor, action: str, row: models.Model, before: Mapping[str, Any], after: Mapping[str, Any]
) -> AuditEntry | None:
    """One line of the log. A `changed` in which nothing changed is not written."""
    changes = differences(before, after)
    if action == AuditEntry.Action.CHANGED and not changes:
        return None
    return record_deed(actor, action, row._meta.verbose_name or "", str(row), changes)


def record_deed(actor: Actor, action: str, object_type: str, object_key: str, changes: Mapping[str, Any]) -> AuditEntry:
    """A line about something that is no single row: a queue action, an import."""
    return AuditEntry.objects.create(
        actor=actor.name[:400],
        client_address=actor.client_address,
        action=action,
        object_type=str(object_type)[:64],
        object_key=object_key[:400],
        changes=dict(changes),
    )


def record_new_password(actor: Actor, address: str) -> AuditEntry:
    """That an account has a new password; neither of the two."""
    return record_deed(actor, AuditEntry.Action.CHANGED, "account", address, {"password": [MASK, MASK]})


def _shown(name: str, value: Any) -> Any:
    return MASK if name in SECRET_FIELDS and value not in (None, "") else value


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, datetime.datetime | datetime.date):
        return value.isoformat()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
