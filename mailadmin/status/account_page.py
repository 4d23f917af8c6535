"""What the page of an account shows of its mailboxes and of who is connected to them."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum

from mailadmin.directory.models import Account
from mailadmin.directory.quantities import format_bytes
from mailadmin.mailboxes.models import Mailbox
from mailadmin.status.sessions import connected

# As many lines as a person looks through; the lists have all of them.
SHOWN_MAILBOXES = 100
SHOWN_SESSIONS = 20


def about_account(account: Account) -> dict[str, Any]:
    """For mailkeep/account_mailboxes.html and mailkeep/account_sessions.html; four queries, however many there are."""
    mailboxes = Mailbox.objects.filter(account=account)
    sessions = connected().filter(account=account)
    return {
        "mailboxes": mailboxes.order_by("name")[:SHOWN_MAILBOXES],
        "stored": _stored(account),
        "sessions": sessions.order_by("-since", "id")[:SHOWN_SESSIONS],
        "session_count": sessions.count(),
        "mailbox_count": mailboxes.count(),
    }


def _stored(account: Account) -> dict[str, Any]:
    """Sums over all mailboxes, with the share of what the account may keep."""
    sums = Mailbox.objects.filter(account=account).aggregate(messages=Sum("messages"), size=Sum("size"))
    return {
        "messages": sums["messages"] or 0,
        "size": format_bytes(sums["size"] or 0),
        "percent": _percent(sums["size"], account.quota_bytes),
        "messages_percent": _percent(sums["messages"], account.quota_messages),
        "quota": format_bytes(account.quota_bytes),
        "quota_messages": account.quota_messages,
    }


def _percent(used: int | None, limit: int) -> int | None:
    return min(100 * (used or 0) // limit, 100) if limit else None
