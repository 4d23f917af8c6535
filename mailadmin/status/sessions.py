"""Who is connected, and how to send them away: for the panel, the API and whoever revokes something.

A session learns it from its process within two seconds (mailcore.db.sessions), says good-bye and ends. The client may
come back: to keep it away, disable the account or revoke its password.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from mailadmin.audit.models import AuditEntry
from mailadmin.audit.record import Actor, record_deed
from mailadmin.database import raw_connection
from mailadmin.status.models import ClientSession, ProcessStatus
from mailcore.db.sessions import REVOKED, end, end_of_account
from mailcore.db.status import STALE_AFTER_S

ENDED_BY_ADMINISTRATOR = "Ended by the administrator"
SEARCHED = ("account__address", "client_id", "client_address", "mailbox")
"""What words are looked for in, in the panel and by the API."""


def connected() -> QuerySet[ClientSession]:
    """The sessions of processes that are alive."""
    lately = timezone.now() - timedelta(seconds=STALE_AFTER_S)
    process = ProcessStatus.objects.filter(host=OuterRef("host"), pid=OuterRef("pid"), seen_at__gt=lately)
    return ClientSession.objects.filter(Exists(process))


def end_sessions(account_id: int, app_password_id: int | None = None) -> int:
    """End the sessions of an account, or those that one app password opened. Returns how many. Writes no audit line."""
    text = ENDED_BY_ADMINISTRATOR if app_password_id is None else REVOKED
    return end_of_account(raw_connection(), account_id, text, app_password_id=app_password_id)


def end_account(actor: Actor, account_id: int, address: str) -> int:
    """End all sessions of an account for an administrator, with a line in the audit log. Returns how many."""
    count = end_sessions(account_id)
    if count:
        _record(actor, address, count)
    return count


def end_chosen(actor: Actor, chosen: Iterable[ClientSession]) -> int:
    """End these sessions, with a line in the audit log for each account. Returns how many."""
    by_account: dict[str, list[int]] = {}
    for session in chosen:
        by_account.setdefault(str(session.account), []).append(session.pk)
    ended = 0
    for address, ids in by_account.items():
        count = end(raw_connection(), ids, ENDED_BY_ADMINISTRATOR)
        if count:
            _record(actor, address, count)
        ended += count
    return ended


def _record(actor: Actor, address: str, count: int) -> None:
    record_deed(actor, AuditEntry.Action.DID, "connected client", address, {"action": "end", "sessions": count})
