"""What an account may be used for: by whom, from where, over which protocol, with which password."""

from __future__ import annotations

from mailcore.config.snapshot import NetworkSet
from mailcore.directory.credentials import AppPasswordRecord, Credentials
from mailcore.directory.lookups import AccountRecord


def objection_to(
    account: AccountRecord,
    credentials: Credentials,
    protocol: str,
    client_ip: str,
    app_password: AppPasswordRecord | None,
) -> str:
    """Why somebody whose password is right may not come in; "" when nothing is against it."""
    if not account.enabled:
        return "account disabled"
    if not account.allows(protocol):
        return "protocol not allowed"
    if not _is_in(client_ip, credentials.networks):
        return "network not allowed"
    if app_password is None:
        return "only app passwords" if credentials.app_passwords_only else ""
    if protocol not in app_password.protocols:
        return "protocol not allowed for the app password"
    return "" if _is_in(client_ip, app_password.networks) else "network not allowed for the app password"


def _is_in(client_ip: str, allowed: NetworkSet) -> bool:
    return not allowed.networks or client_ip in allowed
