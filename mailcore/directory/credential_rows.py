"""Rows of statements.CREDENTIALS as Credentials."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailcore.config.loader import networks
from mailcore.config.snapshot import NetworkSet
from mailcore.directory.credentials import ANYWHERE, AppPasswordRecord, Credentials
from mailcore.sasl.scram import Keys

Row = dict[str, Any]
_PROTOCOLS = {"allow_imap": "imap", "allow_pop3": "pop3", "allow_smtp": "smtp"}


def credentials_of(rows: Sequence[Row]) -> Credentials:
    """Of one account, whose columns stand in each row."""
    if not rows:
        return Credentials()
    own = rows[0]
    return Credentials(
        networks=_networks(own["login_networks"]),
        app_passwords_only=own["app_passwords_only"],
        salt=own["scram_salt"] or b"",
        iterations=own["scram_iterations"] or 0,
        own_keys=Keys(own["scram_stored_key"], own["scram_server_key"]) if own["scram_stored_key"] else None,
        app_passwords=tuple(_app_password(row) for row in rows if row["id"] is not None),
    )


def _app_password(row: Row) -> AppPasswordRecord:
    return AppPasswordRecord(
        id=row["id"],
        digest=row["digest"],
        keys=Keys(row["stored_key"], row["server_key"]),
        protocols=frozenset(name for column, name in _PROTOCOLS.items() if row[column]),
        networks=_networks(row["networks"]),
    )


def _networks(texts: Sequence[str]) -> NetworkSet:
    # Nearly all have none: they share one set, and what it remembers.
    return networks(texts) if texts else ANYWHERE
